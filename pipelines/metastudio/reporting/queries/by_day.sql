-- The newest days with jobs.
SELECT
    day,
    cast(sum(created) AS bigint) AS created,
    cast(sum(succeeded) AS bigint) AS succeeded,
    cast(sum(failed) AS bigint) AS failed,
    cast(sum(still_open) AS bigint) AS still_open,
    sum(video_minutes) AS video_minutes
FROM {daily_production}
WHERE project_id = %s
GROUP BY day
ORDER BY day DESC
LIMIT 7
