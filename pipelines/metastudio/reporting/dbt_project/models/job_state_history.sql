-- A job that changes within a state is seen in it again: its stay lasts from the first of these
-- sights to the next state. Partitions name the job first: IDs differ early, projects hardly.
with seen as (
    select project_id, job_id, state, seen_at, lag(state) over by_time as earlier_state
    from {{ ref('stg_job_states') }}
    window by_time as (partition by job_id, project_id order by seen_at, state)
),

stays as (
    select
        project_id,
        job_id,
        state,
        seen_at as entered_at,
        lead(seen_at) over (partition by job_id, project_id order by seen_at, state) as left_at
    from seen
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
    on jobs.job_id = stays.job_id and jobs.project_id = stays.project_id
