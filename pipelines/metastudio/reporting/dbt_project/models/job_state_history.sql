-- A job that changes within a state is seen in it again: its stay lasts from the first of these
-- sights to the next state. Partitions name the job first: IDs differ early, projects hardly.
with seen as (
    select
        project_id,
        job_id,
        state,
        seen_at,
        lead(seen_at) over by_time as next_seen_at,
        coalesce(lag(state) over by_time <> state, true) as is_first,
        coalesce(lead(state) over by_time <> state, true) as is_last
    from {{ ref('stg_job_states') }}
    window by_time as (partition by job_id, project_id order by seen_at, state)
),

seen_again as (
    select
        project_id,
        job_id,
        state,
        seen_at,
        is_first,
        lead(next_seen_at) over (partition by job_id, project_id order by seen_at, state) as left_at
    from seen
    where is_first <> is_last
),

stays as (
    select project_id, job_id, state, seen_at as entered_at, next_seen_at as left_at
    from seen
    where is_first and is_last
    union all
    select project_id, job_id, state, seen_at, left_at
    from seen_again
    where is_first
)

select
    {{ tenant_of('jobs') }} as tenant,
    stays.project_id,
    jobs.app_user_id,
    stays.job_id,
    jobs.job_type,
    stays.state,
    stays.entered_at,
    stays.left_at,
    {{ seconds_between('stays.entered_at', 'stays.left_at') }} as seconds,
    stays.left_at is null as is_current
from stays
inner join {{ ref('stg_video_jobs') }} as jobs
    on jobs.job_id = stays.job_id and jobs.project_id = stays.project_id
