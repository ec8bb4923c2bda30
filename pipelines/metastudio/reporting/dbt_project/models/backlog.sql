with ages (age_order, age, from_seconds, to_seconds) as (
    values
        (1, 'under 10 minutes', 0, 600),
        (2, '10 to 60 minutes', 600, 3600),
        (3, '1 to 6 hours', 3600, 21600),
        (4, '6 to 24 hours', 21600, 86400),
        (5, '1 to 7 days', 86400, 604800),
        (6, 'over 7 days', 604800, null)
),

tenants as (
    select distinct project_id, app_user_id from {{ ref('stg_extraction_windows') }}
),

open_jobs as (
    select project_id, app_user_id, state, created_at, coalesce(age_seconds, 0) as age_seconds
    from {{ ref('video_jobs') }}
    where is_open
)

select
    tenants.project_id,
    ages.age_order,
    ages.age,
    count(open_jobs.project_id) as jobs,
    count(*) filter (where open_jobs.state = 'WAITING') as waiting,
    count(*) filter (where open_jobs.state = 'PROCESSING') as processing,
    count(*) filter (where open_jobs.state not in ('WAITING', 'PROCESSING')) as in_other_states,
    min(open_jobs.created_at) as oldest_created_at,
    tenants.app_user_id,
    {{ tenant_of('tenants') }} as tenant
from tenants
cross join ages
left join open_jobs
    on {{ same_tenant('open_jobs', 'tenants') }}
    and open_jobs.age_seconds >= ages.from_seconds
    and (open_jobs.age_seconds < ages.to_seconds or ages.to_seconds is null)
group by tenants.project_id, tenants.app_user_id, ages.age_order, ages.age
