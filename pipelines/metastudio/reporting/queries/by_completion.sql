-- What ended on each day, the newest first, how long it took, and the backlog at midnight. If a
-- tenant's last sync is older than that of others, its last backlog counts for the days since.
SELECT
    cast(days.day AS date) AS day,
    coalesce(cast(sum(daily.ended) FILTER (WHERE daily.day = days.day) AS bigint), 0) AS ended,
    coalesce(cast(sum(daily.succeeded) FILTER (WHERE daily.day = days.day) AS bigint), 0) AS succeeded,
    coalesce(cast(sum(daily.failed) FILTER (WHERE daily.day = days.day) AS bigint), 0) AS failed,
    coalesce(cast(sum(daily.canceled) FILTER (WHERE daily.day = days.day) AS bigint), 0) AS canceled,
    coalesce(cast(sum(daily.blocked) FILTER (WHERE daily.day = days.day) AS bigint), 0) AS frozen,
    max(times.turnaround_p50) AS turnaround_p50,
    max(times.turnaround_p95) AS turnaround_p95,
    cast(sum(daily.within_sla) FILTER (WHERE daily.day = days.day) AS double precision)
    / nullif(sum(daily.timed) FILTER (WHERE daily.day = days.day), 0) AS sla_share,
    coalesce(cast(sum(daily.open_at_end) AS bigint), 0) AS open_at_end,
    coalesce(sum(daily.video_minutes) FILTER (WHERE daily.day = days.day), 0) AS video_minutes
FROM generate_series(cast({days_since} AS timestamp), cast({until} AS timestamp), interval '1 day') AS days (day)
LEFT JOIN (
    SELECT *, max(day) OVER (PARTITION BY project_id, app_user_id, job_type) AS last_day
    FROM {daily_completions}
    WHERE {tenants} AND day <= {until}
) AS daily ON daily.day = least(cast(days.day AS date), daily.last_day)
LEFT JOIN (
    SELECT
        ended_on,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY turnaround_seconds) AS turnaround_p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY turnaround_seconds) AS turnaround_p95
    FROM {video_jobs}
    WHERE is_success AND {tenants} AND ended_on BETWEEN {days_since} AND {until}
    GROUP BY ended_on
) AS times ON times.ended_on = cast(days.day AS date)
GROUP BY days.day
ORDER BY days.day DESC
