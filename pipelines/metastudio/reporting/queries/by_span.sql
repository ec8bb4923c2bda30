-- Production by week or month of creation, the newest first. Only spans that have passed are
-- compared, and only with a whole one before them.
SELECT
    span,
    created,
    succeeded,
    failed,
    canceled,
    frozen,
    still_open,
    success_rate,
    CASE WHEN is_whole AND was_whole THEN success_rate - earlier_rate END AS change,
    CASE WHEN is_whole AND was_whole THEN cast(created - earlier_created AS double precision) / nullif(earlier_created, 0) END
        AS created_change,
    video_minutes
FROM (
    SELECT
        spans.*,
        lag(success_rate) OVER (ORDER BY span) AS earlier_rate,
        lag(created) OVER (ORDER BY span) AS earlier_created,
        lag(is_whole) OVER (ORDER BY span) AS was_whole
    FROM (
        SELECT
            cast(date_trunc('{unit}', day) AS date) AS span,
            {outcomes},
            cast(sum(succeeded) AS double precision) / nullif(sum(succeeded) + sum(failed), 0) AS success_rate,
            sum(video_minutes) AS video_minutes,
            min(day) = cast(date_trunc('{unit}', min(day)) AS date)
            AND max(day) < {today}
            AND cast(date_trunc('{unit}', max(day) + 1) AS date) > max(day) AS is_whole
        FROM {daily_production}
        WHERE {tenants} AND day BETWEEN {spans_since} AND {until}
        GROUP BY cast(date_trunc('{unit}', day) AS date)
    ) AS spans
) AS compared
ORDER BY span DESC
LIMIT {spans}
