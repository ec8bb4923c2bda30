-- One row per tenant: how fresh and complete its tables are, and what it produced in the period.
SELECT
    health.tenant,
    health.project_id,
    health.app_user_id,
    health.region,
    health.as_of,
    health.today,
    health.last_sync_at,
    health.last_complete_sync_at,
    health.is_complete,
    health.incomplete_windows,
    health.gaps,
    health.missing,
    health.scrubbed,
    health.scrub_changed,
    health.jobs,
    health.open_jobs,
    health.deleted_jobs,
    health.jobs_in_unknown_states,
    health.unknown_states,
    health.rejected_records,
    coalesce(produced.created, 0) AS created,
    coalesce(produced.succeeded, 0) AS succeeded,
    coalesce(produced.failed, 0) AS failed,
    coalesce(produced.canceled, 0) AS canceled,
    coalesce(produced.frozen, 0) AS frozen,
    coalesce(produced.still_open, 0) AS still_open,
    cast(produced.succeeded AS double precision) / nullif(produced.succeeded + produced.failed, 0) AS success_rate,
    coalesce(produced.video_minutes, 0) AS video_minutes
FROM (SELECT * FROM {sync_health} WHERE {tenants}) AS health
LEFT JOIN (
    SELECT
        project_id,
        app_user_id,
        {outcomes},
        sum(video_minutes) AS video_minutes
    FROM {daily_production}
    WHERE {tenants} AND day BETWEEN {since} AND {until}
    GROUP BY project_id, app_user_id
) AS produced
    ON produced.project_id = health.project_id
    AND coalesce(produced.app_user_id, '') = coalesce(health.app_user_id, '')
ORDER BY health.tenant
