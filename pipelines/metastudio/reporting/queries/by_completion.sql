-- What ended on each day, the newest first, how long it took, and the backlog at midnight.
SELECT
    daily.*,
    times.turnaround_p50,
    times.turnaround_p95
FROM (
    SELECT
        day,
        cast(sum(ended) AS bigint) AS ended,
        cast(sum(succeeded) AS bigint) AS succeeded,
        cast(sum(failed) AS bigint) AS failed,
        cast(sum(canceled) AS bigint) AS canceled,
        cast(sum(blocked) AS bigint) AS frozen,
        sum(video_minutes) AS video_minutes,
        cast(sum(within_sla) AS double precision) / nullif(sum(timed), 0) AS sla_share,
        cast(sum(open_at_end) AS bigint) AS open_at_end
    FROM {daily_completions}
    WHERE {tenants} AND day BETWEEN {days_since} AND {until}
    GROUP BY day
) AS daily
LEFT JOIN (
    SELECT
        ended_on,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY turnaround_seconds) AS turnaround_p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY turnaround_seconds) AS turnaround_p95
    FROM {video_jobs}
    WHERE is_success AND {tenants} AND ended_on BETWEEN {days_since} AND {until}
    GROUP BY ended_on
) AS times ON times.ended_on = daily.day
ORDER BY day DESC
