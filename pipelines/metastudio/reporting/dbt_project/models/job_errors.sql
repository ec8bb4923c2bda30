select
    project_id,
    job_id,
    job_type,
    state,
    coalesce(error_code, 'UNKNOWN') as error_code,
    error_message,
    created_at,
    coalesce(finished_at, updated_at, created_at) as failed_at,
    wait_seconds,
    render_seconds,
    age_seconds,
    is_deleted
from {{ ref('video_jobs') }}
where state = 'FAILED' or error_code is not null or error_message is not null
