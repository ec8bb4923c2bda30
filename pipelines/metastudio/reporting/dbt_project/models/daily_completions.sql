with ended as (
    select
        project_id,
        app_user_id,
        ended_on as day,
        job_type,
        count(*) as ended,
        {{ count_outcomes() }},
        coalesce(sum(video_seconds) filter (where outcome = 'succeeded'), 0) / 60 as video_minutes,
        percentile_cont(0.5) within group (order by turnaround_seconds) filter (where outcome = 'succeeded') as turnaround_seconds_p50,
        percentile_cont(0.95) within group (order by turnaround_seconds) filter (where outcome = 'succeeded') as turnaround_seconds_p95,
        count(*) filter (where outcome = 'succeeded' and turnaround_seconds is not null) as timed,
        count(*) filter (where outcome = 'succeeded' and turnaround_seconds <= {{ var("metastudio_sla_seconds") }}) as within_sla
    from {{ ref('video_jobs') }}
    where created_at is not null and ended_at is not null
    group by ended_on, job_type, project_id, app_user_id  -- PostgreSQL sorts: days differ most, and fastest
),

created as (
    select project_id, app_user_id, created_on as day, job_type, count(*) as created
    from {{ ref('video_jobs') }}
    where created_at is not null
    group by created_on, job_type, project_id, app_user_id
),

{{ calendar('created') }},

every_day as (
    select project_id, app_user_id, day, job_type from days
    union
    select project_id, app_user_id, day, job_type from created
    union
    select project_id, app_user_id, day, job_type from ended
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
