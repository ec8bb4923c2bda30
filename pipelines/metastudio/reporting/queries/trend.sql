-- Production by day: the last 60 days, and the six before them for rates over seven days.
SELECT
    daily.day,
    cast(sum(daily.succeeded) AS bigint) AS succeeded,
    cast(sum(daily.failed) AS bigint) AS failed,
    cast(sum(daily.canceled + daily.blocked) AS bigint) AS canceled_or_frozen,
    cast(sum(daily.still_open) AS bigint) AS still_open,
    cast(sum(daily.succeeded) AS double precision) / nullif(sum(daily.succeeded) + sum(daily.failed), 0) AS success_rate,
    sum(daily.video_minutes) AS video_minutes
FROM {daily_production} AS daily
JOIN {sync_health} AS health ON health.project_id = daily.project_id
WHERE daily.project_id = %s AND daily.day > health.today - 66
GROUP BY daily.day
ORDER BY daily.day
