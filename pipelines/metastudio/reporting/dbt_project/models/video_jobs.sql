with {{ last_runs() }},

jobs as (
    select
        jobs.*,
        coalesce(last_runs.as_of, current_timestamp) as as_of,
        {{ today() }} as today,
        {{ outcome_of('jobs.state', 'jobs.deleted_at') }} as outcome,
        {{ end_of('jobs') }} as ended_at
    from {{ ref('stg_video_jobs') }} as jobs
    left join last_runs on {{ is_last_run_of('jobs') }}
)

select
    job_id,
    project_id,
    region,
    app_user_id,
    state,
    job_type,
    created_at,
    started_at,
    finished_at,
    updated_at,
    {{ seconds_between('created_at', 'started_at') }} as wait_seconds,
    {{ seconds_between('started_at', 'finished_at') }} as render_seconds,
    video_seconds,
    {{ seconds_between('created_at', 'as_of') }} as age_seconds,
    state in ({{ terminal_states() }}) as is_terminal,
    outcome = 'succeeded' as is_success,
    outcome = 'open' as is_open,
    deleted_at is not null as is_deleted,
    deleted_at,
    asset_id,
    asset_name,
    cover_url,
    preview_video_url,
    error_code,
    error_message,
    {{ tenant_of('jobs') }} as tenant,
    outcome,
    {{ day_of('created_at') }} as created_on,
    ended_at,
    {{ day_of('ended_at') }} as ended_on,
    case when state in ({{ terminal_states() }}) then {{ seconds_between('created_at', 'finished_at') }} end as turnaround_seconds,
    today
from jobs
