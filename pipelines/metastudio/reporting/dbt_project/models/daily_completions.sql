-- The column with the most values is first: PostgreSQL sorts by it, and reads it fastest there.
with jobs as (
    select job_type, project_id, app_user_id, state, created_at, finished_at, updated_at, deleted_at, video_seconds
    from {{ ref('stg_video_jobs') }}
    where created_at is not null
    {{ compute_here() }}
),

outcomes as (
    select
        jobs.*,
        {{ outcome_of('state', 'deleted_at') }} as outcome,
        {{ end_of('jobs') }} as ended_at
    from jobs
    {{ compute_here() }}
),

days_of_jobs as (
    select
        {{ day_of('ended_at') }} as day,
        job_type,
        project_id,
        app_user_id,
        {{ day_of('created_at') }} as created_on,
        {{ each_outcome() }},
        case when outcome = 'succeeded' then video_seconds end as video_seconds,
        case when outcome = 'succeeded' then {{ seconds_between('created_at', 'finished_at') }} end as turnaround_seconds
    from outcomes
    {{ compute_here() }}
),

-- Jobs are sorted and read once: most are created on the day on which they end, and the days of the
-- others are few. Open jobs have no day.
ended as (
    select
        project_id,
        app_user_id,
        day,
        job_type,
        count(*) as ended,
        count(*) filter (where created_on = day) as created_then,
        array_agg(created_on) filter (where created_on <> day or day is null) as created_before,
        {{ count_outcomes() }},
        coalesce(sum(video_seconds), 0) / 60 as video_minutes,
        percentile_cont(0.5) within group (order by turnaround_seconds) as turnaround_seconds_p50,
        percentile_cont(0.95) within group (order by turnaround_seconds) as turnaround_seconds_p95,
        count(turnaround_seconds) as timed,
        count(*) filter (where turnaround_seconds <= {{ var("metastudio_sla_seconds") }}) as within_sla
    from days_of_jobs
    group by day, job_type, project_id, app_user_id
),

created as (
    select project_id, app_user_id, day, job_type, cast(sum(jobs) as bigint) as created
    from (
        select project_id, app_user_id, day, job_type, created_then as jobs from ended where created_then > 0
        union all
        select project_id, app_user_id, unnest(created_before), job_type, 1 from ended
    ) as days_of_creation
    group by project_id, app_user_id, day, job_type
),

{{ calendar('created') }},

every_day as (
    select project_id, app_user_id, day, job_type from days
    union
    select project_id, app_user_id, day, job_type from created
    union
    select project_id, app_user_id, day, job_type from ended where day is not null
),

figures as (
    select
        every_day.*,
        coalesce(created.created, 0) as created,
        {%- for figure in ['ended', 'succeeded', 'failed', 'canceled', 'blocked', 'video_minutes', 'timed', 'within_sla'] %}
        coalesce(ended.{{ figure }}, 0) as {{ figure }},
        {%- endfor %}
        ended.turnaround_seconds_p50,
        ended.turnaround_seconds_p95
    from every_day
    left join created
        on {{ same_tenant('created', 'every_day') }}
        and created.day = every_day.day
        and created.job_type = every_day.job_type
    left join ended
        on {{ same_tenant('ended', 'every_day') }} and ended.day = every_day.day and ended.job_type = every_day.job_type
)

select
    {{ tenant_of('figures') }} as tenant,
    project_id,
    app_user_id,
    day,
    job_type,
    ended,
    succeeded,
    failed,
    canceled,
    blocked,
    {{ share_of('succeeded', '(succeeded + failed)') }} as success_rate,
    video_minutes,
    turnaround_seconds_p50,
    turnaround_seconds_p95,
    timed,
    within_sla,
    {{ share_of('within_sla', 'timed') }} as sla_share,
    cast(
        sum(created - ended) over (
            partition by project_id, app_user_id, job_type order by day rows unbounded preceding
        ) as bigint
    ) as open_at_end
from figures
