select
    cast(project_id as text) as project_id,
    cast(job_id as text) as job_id,
    {{ normalize_state('state') }} as state,
    cast(lastupdate_time as timestamp with time zone) as seen_at
from {{ source('metastudio', 'digital_human_video_states') }}
