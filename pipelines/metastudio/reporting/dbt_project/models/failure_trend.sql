with failures as (
    select project_id, app_user_id, error_code, {{ week_of('created_on') }} as week, count(*) as jobs
    from {{ ref('job_errors') }}
    where state = 'FAILED' and created_on is not null
    group by project_id, app_user_id, error_code, {{ week_of('created_on') }}
),

created as (
    select project_id, app_user_id, job_type, min(created_on) as day
    from {{ ref('video_jobs') }}
    where created_at is not null
    group by project_id, app_user_id, job_type
),

{{ calendar('created') }},

weeks as (
    select project_id, app_user_id, {{ week_of('day') }} as week from days
    union
    select project_id, app_user_id, week from failures
),

every_week as (
    select weeks.project_id, weeks.app_user_id, weeks.week, codes.error_code, coalesce(failures.jobs, 0) as jobs
    from weeks
    inner join (select distinct project_id, app_user_id, error_code from failures) as codes
        on {{ same_tenant('codes', 'weeks') }}
    left join failures
        on {{ same_tenant('failures', 'weeks') }}
        and failures.week = weeks.week
        and failures.error_code = codes.error_code
)

select
    {{ tenant_of('every_week') }} as tenant,
    project_id,
    app_user_id,
    week,
    error_code,
    jobs,
    {{ share_of('jobs', 'sum(jobs) over (partition by project_id, app_user_id, week)') }} as share
from every_week
