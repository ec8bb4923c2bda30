-- Production by day of creation, the newest first.
SELECT
    day,
    cast(sum(created) AS bigint) AS created,
    cast(sum(succeeded) AS bigint) AS succeeded,
    cast(sum(failed) AS bigint) AS failed,
    cast(sum(canceled) AS bigint) AS canceled,
    cast(sum(blocked) AS bigint) AS frozen,
    cast(sum(still_open) AS bigint) AS still_open,
    cast(sum(succeeded) AS double precision) / nullif(sum(succeeded) + sum(failed), 0) AS success_rate,
    sum(video_minutes) AS video_minutes
FROM {daily_production}
WHERE {tenants} AND day BETWEEN {days_since} AND {until}
GROUP BY day
ORDER BY day DESC
