-- The jobs created in each period by their outcome. A period is compared with the same number of
-- days before it, up to the same time of day: today with yesterday until this hour.
SELECT
    since,
    until,
    created,
    succeeded,
    failed,
    canceled,
    frozen,
    still_open,
    cast(succeeded AS double precision) / nullif(succeeded + failed, 0) AS success_rate,
    cast(succeeded AS double precision) / nullif(succeeded + failed, 0)
    - cast(succeeded_before AS double precision) / nullif(succeeded_before + failed_before, 0) AS change,
    created_before,
    video_minutes
FROM (
    SELECT
        periods.since,
        periods.until,
        count(*) FILTER (WHERE jobs.created_on >= periods.since) AS created,
        count(*) FILTER (WHERE jobs.created_on >= periods.since AND jobs.outcome = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE jobs.created_on >= periods.since AND jobs.outcome = 'failed') AS failed,
        count(*) FILTER (WHERE jobs.created_on >= periods.since AND jobs.outcome = 'canceled') AS canceled,
        count(*) FILTER (WHERE jobs.created_on >= periods.since AND jobs.outcome = 'frozen') AS frozen,
        count(*) FILTER (WHERE jobs.created_on >= periods.since AND jobs.outcome = 'open') AS still_open,
        coalesce(
            sum(jobs.video_seconds) FILTER (WHERE jobs.created_on >= periods.since AND jobs.is_success), 0
        ) / 60 AS video_minutes,
        count(*) FILTER (WHERE jobs.created_on < periods.since) AS created_before,
        count(*) FILTER (WHERE jobs.created_on < periods.since AND jobs.outcome = 'succeeded') AS succeeded_before,
        count(*) FILTER (WHERE jobs.created_on < periods.since AND jobs.outcome = 'failed') AS failed_before
    FROM (VALUES {periods}) AS periods (since, until, days)
    LEFT JOIN (
        SELECT created_on, created_at, outcome, video_seconds, is_success
        FROM {video_jobs}
        WHERE {tenants} AND created_on BETWEEN {earliest} AND {until}
    ) AS jobs
        ON jobs.created_on BETWEEN periods.since - periods.days AND periods.until
        AND (jobs.created_on >= periods.since OR jobs.created_at <= {as_of} - periods.days * interval '24 hours')
    GROUP BY periods.since, periods.until
) AS totals
ORDER BY since DESC
