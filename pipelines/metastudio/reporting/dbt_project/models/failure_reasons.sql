with reasons as (
    select
        project_id,
        app_user_id,
        error_code,
        max(error_message) as example_message,
        count(*) as jobs,
        count(*) filter (where created_on > today - 30) as jobs_last_30_days,
        min(failed_at) as first_failed_at,
        max(failed_at) as last_failed_at
    from {{ ref('job_errors') }}
    where state = 'FAILED'
    group by project_id, app_user_id, error_code
)

select
    project_id,
    error_code,
    example_message,
    row_number() over most_frequent as rank,
    jobs,
    {{ share_of('jobs', 'sum(jobs) over (partition by project_id, app_user_id)') }} as share,
    {{ share_of('sum(jobs) over most_frequent', 'sum(jobs) over (partition by project_id, app_user_id)') }} as cumulative_share,
    jobs_last_30_days,
    first_failed_at,
    last_failed_at,
    app_user_id,
    {{ tenant_of('reasons') }} as tenant
from reasons
window most_frequent as (
    partition by project_id, app_user_id order by jobs desc, error_code rows unbounded preceding
)
