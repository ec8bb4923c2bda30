select
    project_id,
    job_id,
    asset_id,
    asset_name,
    job_type,
    state,
    state = 'BLOCK' as is_blocked,
    video_seconds,
    cover_url,
    preview_video_url,
    finished_at as produced_at,
    updated_at,
    is_deleted,
    app_user_id,
    tenant
from {{ ref('video_jobs') }}
where asset_id is not null
