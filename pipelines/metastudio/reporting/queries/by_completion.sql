-- What ended on each day, the newest first, how long it took, and the backlog at midnight.
SELECT
    cast(days.day AS date) AS day,
    coalesce(daily.ended, 0) AS ended,
    coalesce(daily.succeeded, 0) AS succeeded,
    coalesce(daily.failed, 0) AS failed,
    coalesce(daily.canceled, 0) AS canceled,
    coalesce(daily.frozen, 0) AS frozen,
    times.turnaround_p50,
    times.turnaround_p95,
    daily.sla_share,
    coalesce(daily.open_at_end, 0) AS open_at_end,
    coalesce(daily.video_minutes, 0) AS video_minutes
FROM generate_series(cast({days_since} AS timestamp), cast({until} AS timestamp), interval '1 day') AS days (day)
LEFT JOIN (
    SELECT
        day,
        cast(sum(ended) AS bigint) AS ended,
        cast(sum(succeeded) AS bigint) AS succeeded,
        cast(sum(failed) AS bigint) AS failed,
        cast(sum(canceled) AS bigint) AS canceled,
        cast(sum(blocked) AS bigint) AS frozen,
        cast(sum(within_sla) AS double precision) / nullif(sum(timed), 0) AS sla_share,
        cast(sum(open_at_end) AS bigint) AS open_at_end,
        sum(video_minutes) AS video_minutes
    FROM {daily_completions}
    WHERE {tenants} AND day BETWEEN {days_since} AND {until}
    GROUP BY day
) AS daily ON daily.day = cast(days.day AS date)
LEFT JOIN (
    SELECT
        ended_on,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY turnaround_seconds) AS turnaround_p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY turnaround_seconds) AS turnaround_p95
    FROM {video_jobs}
    WHERE is_success AND {tenants} AND ended_on BETWEEN {days_since} AND {until}
    GROUP BY ended_on
) AS times ON times.ended_on = cast(days.day AS date)
ORDER BY days.day DESC
