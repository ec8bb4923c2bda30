with jobs as (
    select *, {{ day_of('created_at') }} as day
    from {{ ref('video_jobs') }}
    where created_at is not null
)

select
    project_id,
    day,
    job_type,
    count(*) as created,
    count(*) filter (where is_success) as succeeded,
    count(*) filter (where state = 'FAILED') as failed,
    count(*) filter (where state = 'CANCELED') as canceled,
    count(*) filter (where state = 'BLOCK') as blocked,
    count(*) filter (where is_open) as still_open,
    count(*) filter (where is_deleted) as deleted,
    {{ share_of("count(*) filter (where is_success)", "count(*) filter (where state in ('SUCCEED', 'FAILED'))") }}
        as success_rate,
    coalesce(sum(video_seconds) filter (where is_success), 0) / 60 as video_minutes,
    percentile_cont(0.5) within group (order by wait_seconds) as wait_seconds_p50,
    percentile_cont(0.95) within group (order by wait_seconds) as wait_seconds_p95,
    percentile_cont(0.5) within group (order by render_seconds) as render_seconds_p50,
    percentile_cont(0.95) within group (order by render_seconds) as render_seconds_p95
from jobs
group by project_id, day, job_type
