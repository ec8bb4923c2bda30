-- The column with the most values is first: PostgreSQL sorts by it, and reads it fastest there.
with jobs as (
    select
        created_on as day,
        job_type,
        project_id,
        app_user_id,
        {{ each_outcome() }},
        outcome = 'open' as is_open,
        is_deleted,
        case when outcome = 'succeeded' then video_seconds end as video_seconds,
        wait_seconds,
        render_seconds
    from {{ ref('video_jobs') }}
    where created_at is not null
    {{ compute_here() }}
),

figures as (
    select
        project_id,
        app_user_id,
        day,
        job_type,
        count(*) as created,
        {{ count_outcomes() }},
        count(*) filter (where is_open) as still_open,
        count(*) filter (where is_deleted) as deleted,
        coalesce(sum(video_seconds), 0) / 60 as video_minutes,
        percentile_cont(0.5) within group (order by wait_seconds) as wait_seconds_p50,
        percentile_cont(0.95) within group (order by wait_seconds) as wait_seconds_p95,
        percentile_cont(0.5) within group (order by render_seconds) as render_seconds_p50,
        percentile_cont(0.95) within group (order by render_seconds) as render_seconds_p95
    from jobs
    group by day, job_type, project_id, app_user_id
),

{{ calendar('figures') }},

both_days as (
    select
        coalesce(days.project_id, figures.project_id) as project_id,
        coalesce(days.app_user_id, figures.app_user_id) as app_user_id,
        coalesce(days.day, figures.day) as day,
        coalesce(days.job_type, figures.job_type) as job_type,
        {%- for figure in ['created', 'succeeded', 'failed', 'canceled', 'blocked', 'still_open', 'deleted', 'video_minutes'] %}
        coalesce(figures.{{ figure }}, 0) as {{ figure }},
        {%- endfor %}
        figures.wait_seconds_p50,
        figures.wait_seconds_p95,
        figures.render_seconds_p50,
        figures.render_seconds_p95
    from days
    full join figures
        on {{ same_tenant('figures', 'days') }} and figures.day = days.day and figures.job_type = days.job_type
)

select
    project_id,
    day,
    job_type,
    created,
    succeeded,
    failed,
    canceled,
    blocked,
    still_open,
    deleted,
    {{ share_of('succeeded', '(succeeded + failed)') }} as success_rate,
    video_minutes,
    wait_seconds_p50,
    wait_seconds_p95,
    render_seconds_p50,
    render_seconds_p95,
    app_user_id,
    {{ tenant_of('both_days') }} as tenant
from both_days
