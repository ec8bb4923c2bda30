-- A sync is complete if it reached its end and no gap is open after it. A window that could not be
-- read whole has a reason and is a gap; the run's last line says whether it is still open. What
-- changes or rescan left unproved does not count if a more expensive way followed in the same run.
with lines as (
    select
        *,
        row_number() over (partition by project_id, app_user_id, run_id order by window_number desc) as rank_from_end,
        max(case mode when 'reread' then 2 when 'rescan' then 1 else 0 end)
            over (partition by project_id, app_user_id, run_id) as costliest_way
    from {{ ref('stg_extraction_windows') }}
),

runs as (
    select
        project_id,
        app_user_id,
        run_id,
        min(started_at) as started_at,
        max(finished_at) as finished_at,
        coalesce(
            min(mode) filter (where mode in ('audit', 'reread')),
            min(mode) filter (where mode = 'rescan'),
            min(mode) filter (where mode in ('backfill', 'changes')),
            min(mode)
        ) as mode,
        count(*) filter (
            where not is_complete and case mode
                when 'changes' then costliest_way = 0
                when 'rescan' then costliest_way = 1 and reason is null
                when 'gap' then false
                when 'scrub' then false
                else reason is null
            end
        ) as incomplete_windows,
        coalesce(max(open_gaps) filter (where rank_from_end = 1), 0) as gaps,
        coalesce(max(missing) filter (where rank_from_end = 1), 0) as missing,
        coalesce(bool_or(costliest_way > 0 or (mode = 'changes' and is_complete)), false) as reached_end,
        sum(requests) as requests,
        sum(retries) as retries,
        sum(throttled) as throttled
    from lines
    group by project_id, app_user_id, run_id
),

ranked as (
    select
        *,
        row_number() over (
            partition by project_id, app_user_id
            order by finished_at desc nulls last, started_at desc nulls last, run_id
        ) as rank
    from runs
),

ledger as (
    select
        project_id,
        app_user_id,
        max(finished_at) as as_of,
        max(mode) filter (where rank = 1) as last_run_mode,
        max(finished_at) filter (where reached_end and incomplete_windows = 0) as last_sync_at,
        max(finished_at) filter (where reached_end and incomplete_windows = 0 and gaps = 0) as last_complete_sync_at,
        coalesce(sum(incomplete_windows) filter (where rank = 1), 0) as incomplete_windows,
        cast(coalesce(sum(gaps) filter (where rank = 1), 0) as bigint) as gaps,
        cast(coalesce(sum(missing) filter (where rank = 1), 0) as bigint) as missing,
        cast(sum(requests) as bigint) as requests,
        cast(sum(retries) as bigint) as retries,
        cast(sum(throttled) as bigint) as throttled
    from ranked
    group by project_id, app_user_id
),

scrubs as (
    select
        windows.project_id,
        windows.app_user_id,
        cast(sum(windows.jobs_read) as bigint) as scrubbed,
        cast(sum(windows.jobs_changed) as bigint) as scrub_changed
    from {{ ref('stg_extraction_windows') }} as windows
    inner join ledger on {{ same_tenant('ledger', 'windows') }}
    where windows.mode = 'scrub' and windows.finished_at > ledger.as_of - interval '30 days'
    group by windows.project_id, windows.app_user_id
),

jobs as (
    select
        project_id,
        app_user_id,
        count(*) as jobs,
        count(*) filter (where is_open) as open_jobs,
        count(*) filter (where is_deleted) as deleted_jobs,
        count(*) filter (where state not in ({{ known_states() }})) as jobs_in_unknown_states,
        max(updated_at) as newest_change_at,
        max(region) as region
    from {{ ref('video_jobs') }}
    group by project_id, app_user_id
),

unknown_states as (
    select project_id, app_user_id, string_agg(state, ', ' order by state) as unknown_states
    from (
        select distinct project_id, app_user_id, state
        from {{ ref('stg_video_jobs') }}
        where state not in ({{ known_states() }})
    ) as states
    group by project_id, app_user_id
),

rejected as (
    select project_id, app_user_id, count(*) as rejected_records, max(rejected_at) as last_rejected_at
    from {{ ref('stg_rejected_records') }}
    group by project_id, app_user_id
)

select
    ledger.project_id,
    ledger.as_of,
    {{ day_of('ledger.as_of') }} as today,
    ledger.last_run_mode,
    ledger.last_sync_at,
    ledger.last_complete_sync_at,
    greatest(
        cast(extract(epoch from current_timestamp) - extract(epoch from ledger.last_sync_at) as double precision), 0
    ) as freshness_seconds,
    ledger.last_sync_at is not null and ledger.incomplete_windows = 0 and ledger.gaps = 0 as is_complete,
    cast(ledger.incomplete_windows as bigint) as incomplete_windows,
    ledger.gaps,
    ledger.missing,
    coalesce(scrubs.scrubbed, 0) as scrubbed,
    coalesce(scrubs.scrub_changed, 0) as scrub_changed,
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
    ledger.throttled,
    ledger.app_user_id,
    {{ tenant_of('ledger') }} as tenant,
    jobs.region
from ledger
left join scrubs on {{ same_tenant('scrubs', 'ledger') }}
left join jobs on {{ same_tenant('jobs', 'ledger') }}
left join unknown_states on {{ same_tenant('unknown_states', 'ledger') }}
left join rejected on {{ same_tenant('rejected', 'ledger') }}
