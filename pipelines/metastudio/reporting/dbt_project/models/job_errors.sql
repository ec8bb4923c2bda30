select
    jobs.project_id,
    jobs.job_id,
    jobs.job_type,
    jobs.state,
    coalesce(jobs.error_code, 'UNKNOWN') as error_code,
    jobs.error_message,
    jobs.created_at,
    coalesce(jobs.finished_at, jobs.updated_at, jobs.created_at) as failed_at,
    jobs.wait_seconds,
    jobs.render_seconds,
    jobs.age_seconds,
    jobs.is_deleted,
    jobs.app_user_id,
    jobs.tenant,
    jobs.created_on,
    jobs.today
from {{ ref('video_jobs') }} as jobs
where jobs.state = 'FAILED' or jobs.error_code is not null or jobs.error_message is not null
