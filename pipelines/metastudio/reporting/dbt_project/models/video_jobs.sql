with last_run as (
    select project_id, max(finished_at) as as_of
    from {{ ref('stg_extraction_windows') }}
    group by project_id
)

select
    jobs.job_id,
    jobs.project_id,
    jobs.region,
    jobs.app_user_id,
    jobs.state,
    jobs.job_type,
    jobs.created_at,
    jobs.started_at,
    jobs.finished_at,
    jobs.updated_at,
    {{ seconds_between('jobs.created_at', 'jobs.started_at') }} as wait_seconds,
    {{ seconds_between('jobs.started_at', 'jobs.finished_at') }} as render_seconds,
    jobs.video_seconds,
    {{ seconds_between('jobs.created_at', 'coalesce(last_run.as_of, current_timestamp)') }} as age_seconds,
    jobs.state in ({{ terminal_states() }}) as is_terminal,
    jobs.state = 'SUCCEED' as is_success,
    jobs.state not in ({{ terminal_states() }}) and jobs.deleted_at is null as is_open,
    jobs.deleted_at is not null as is_deleted,
    jobs.deleted_at,
    jobs.asset_id,
    jobs.asset_name,
    jobs.cover_url,
    jobs.preview_video_url,
    jobs.error_code,
    jobs.error_message
from {{ ref('stg_video_jobs') }} as jobs
left join last_run on last_run.project_id = jobs.project_id
