-- How fresh and how complete the tables are.
SELECT
    as_of,
    today,
    last_sync_at,
    last_complete_sync_at,
    freshness_seconds,
    is_complete,
    incomplete_windows,
    gaps,
    missing,
    scrubbed,
    scrub_changed,
    jobs,
    open_jobs,
    deleted_jobs,
    jobs_in_unknown_states,
    unknown_states,
    rejected_records
FROM {sync_health}
WHERE project_id = %s
