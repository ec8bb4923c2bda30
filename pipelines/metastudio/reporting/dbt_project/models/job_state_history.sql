-- A job that changes within a state is seen in it again: only the first time counts. A job seen in
-- another state later has left the earlier one by then, and a job that is listed no more has left
-- the last one.
with changes as (
    select
        seen.project_id,
        seen.job_id,
        seen.state,
        seen.seen_at,
        lag(seen.state) over by_time as earlier_state
    from {{ ref('stg_job_states') }} as seen
    window by_time as (partition by seen.project_id, seen.job_id order by seen.seen_at, seen.state)
),

stays as (
    select
        project_id,
        job_id,
        state,
        seen_at as entered_at,
        lead(seen_at) over (partition by project_id, job_id order by seen_at, state) as left_at
    from changes
    where earlier_state is null or earlier_state <> state
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
    on jobs.project_id = stays.project_id and jobs.job_id = stays.job_id
