-- Production by day of creation, the newest first.
SELECT
    cast(days.day AS date) AS day,
    cast(coalesce(sum(daily.created), 0) AS bigint) AS created,
    cast(coalesce(sum(daily.succeeded), 0) AS bigint) AS succeeded,
    cast(coalesce(sum(daily.failed), 0) AS bigint) AS failed,
    cast(coalesce(sum(daily.canceled), 0) AS bigint) AS canceled,
    cast(coalesce(sum(daily.blocked), 0) AS bigint) AS frozen,
    cast(coalesce(sum(daily.still_open), 0) AS bigint) AS still_open,
    cast(sum(daily.succeeded) AS double precision) / nullif(sum(daily.succeeded) + sum(daily.failed), 0) AS success_rate,
    coalesce(sum(daily.video_minutes), 0) AS video_minutes
FROM generate_series(cast({days_since} AS timestamp), cast({until} AS timestamp), interval '1 day') AS days (day)
LEFT JOIN (SELECT * FROM {daily_production} WHERE {tenants} AND day BETWEEN {days_since} AND {until}) AS daily
    ON daily.day = cast(days.day AS date)
GROUP BY days.day
ORDER BY days.day DESC
