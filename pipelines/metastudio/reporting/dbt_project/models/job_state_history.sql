-- A job that changes within a state is seen in it several times: its stay lasts from the first of
-- these times to the next state. Partitions name the job before the project, because IDs differ in
-- their first characters. PostgreSQL compares texts slowly, so it sorts by a hash of the ID first.
-- It joins below the windows, because it joins in parallel only there; DuckDB would sort more.
{%- set is_postgres = target.type == "postgres" %}
{%- set partition = ("job_hash, " if is_postgres else "") ~ "job_id, project_id" %}
with sights as (
    select
        {%- if is_postgres %}
        hashtextextended(states.job_id, 0) as job_hash,
        jobs.app_user_id,
        jobs.job_type,
        {%- endif %}
        states.project_id,
        states.job_id,
        states.state,
        states.seen_at
    from {{ ref('stg_job_states') }} as states
    {%- if is_postgres %}
    inner join {{ ref('stg_video_jobs') }} as jobs
        on jobs.job_id = states.job_id and jobs.project_id = states.project_id
    {%- endif %}
),

seen as (
    select *, lag(state) over (partition by {{ partition }} order by seen_at, state) as earlier_state
    from sights
),

stays as (
    select *, lead(seen_at) over (partition by {{ partition }} order by seen_at, state) as left_at
    from seen
    where earlier_state is null or earlier_state <> state
)

{%- set jobs = "stays" if is_postgres else "jobs" %}

select
    {{ tenant_of(jobs) }} as tenant,
    stays.project_id,
    {{ jobs }}.app_user_id,
    stays.job_id,
    {{ jobs }}.job_type,
    stays.state,
    stays.seen_at as entered_at,
    stays.left_at,
    {{ seconds_between('stays.seen_at', 'stays.left_at') }} as seconds,
    stays.left_at is null as is_current
from stays
{%- if not is_postgres %}
inner join {{ ref('stg_video_jobs') }} as jobs
    on jobs.job_id = stays.job_id and jobs.project_id = stays.project_id
{%- endif %}
