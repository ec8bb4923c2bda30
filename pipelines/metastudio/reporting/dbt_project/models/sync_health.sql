-- A sync is complete if it read all changes and proved every window complete. A window of changes
-- does not count if a rescan followed in the same run: the rescan read its jobs again.
with runs as (
    select
        project_id,
        app_user_id,
        run_id,
        max(finished_at) as finished_at,
        coalesce(max(mode) filter (where mode in ('audit', 'rescan')), min(mode)) as mode,
        count(*) filter (where not is_complete and mode <> 'changes')
        + case when bool_or(mode = 'rescan') then 0 else count(*) filter (where not is_complete and mode = 'changes') end
            as incomplete_windows,
        coalesce(bool_or(mode = 'rescan' or (mode = 'changes' and is_complete)), false) as reached_end,
        sum(requests) as requests,
        sum(retries) as retries,
        sum(throttled) as throttled
    from {{ ref('stg_extraction_windows') }}
    group by project_id, app_user_id, run_id
),

ranked as (
    select
        *,
        row_number() over (partition by project_id, app_user_id order by finished_at desc nulls last, run_id) as rank,
        row_number() over (partition by project_id order by finished_at desc nulls last, run_id) as rank_in_project
    from runs
),

app_users as (
    select
        project_id,
        max(finished_at) as as_of,
        max(mode) filter (where rank_in_project = 1) as last_run_mode,
        max(finished_at) filter (where reached_end and incomplete_windows = 0) as last_complete_sync_at,
        coalesce(sum(incomplete_windows) filter (where rank = 1), 0) as incomplete_windows,
        sum(requests) as requests,
        sum(retries) as retries,
        sum(throttled) as throttled
    from ranked
    group by project_id, app_user_id
),

ledger as (
    select
        project_id,
        max(as_of) as as_of,
        max(last_run_mode) as last_run_mode,
        case when count(last_complete_sync_at) = count(*) then min(last_complete_sync_at) end as last_complete_sync_at,
        sum(incomplete_windows) as incomplete_windows,
        cast(sum(requests) as bigint) as requests,
        cast(sum(retries) as bigint) as retries,
        cast(sum(throttled) as bigint) as throttled
    from app_users
    group by project_id
),

jobs as (
    select
        project_id,
        count(*) as jobs,
        count(*) filter (where is_open) as open_jobs,
        count(*) filter (where is_deleted) as deleted_jobs,
        count(*) filter (where state not in ({{ known_states() }})) as jobs_in_unknown_states,
        max(updated_at) as newest_change_at
    from {{ ref('video_jobs') }}
    group by project_id
),

unknown_states as (
    select project_id, string_agg(state, ', ' order by state) as unknown_states
    from (
        select distinct project_id, state from {{ ref('stg_video_jobs') }} where state not in ({{ known_states() }})
    ) as states
    group by project_id
),

rejected as (
    select project_id, count(*) as rejected_records, max(rejected_at) as last_rejected_at
    from {{ ref('stg_rejected_records') }}
    group by project_id
)

select
    ledger.project_id,
    ledger.as_of,
    {{ day_of('ledger.as_of') }} as today,
    ledger.last_run_mode,
    ledger.last_complete_sync_at,
    greatest(
        cast(extract(epoch from current_timestamp) - extract(epoch from ledger.last_complete_sync_at) as double precision), 0
    ) as freshness_seconds,
    ledger.last_complete_sync_at is not null and ledger.incomplete_windows = 0 as is_complete,
    cast(ledger.incomplete_windows as bigint) as incomplete_windows,
    jobs.newest_change_at,
    coalesce(jobs.jobs, 0) as jobs,
    coalesce(jobs.open_jobs, 0) as open_jobs,
    coalesce(jobs.deleted_jobs, 0) as deleted_jobs,
    coalesce(jobs.jobs_in_unknown_states, 0) as jobs_in_unknown_states,
    unknown_states.unknown_states,
    coalesce(rejected.rejected_records, 0) as rejected_records,
    rejected.last_rejected_at,
    ledger.requests,
    ledger.retries,
    ledger.throttled
from ledger
left join jobs on jobs.project_id = ledger.project_id
left join unknown_states on unknown_states.project_id = ledger.project_id
left join rejected on rejected.project_id = ledger.project_id
