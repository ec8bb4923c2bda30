-- Jobs by day of creation (UTC), the newest days with any.
SELECT
    cast(create_time AT TIME ZONE 'UTC' AS date) AS day,
    count(*) AS created,
    count(*) FILTER (WHERE state IN ('SUCCEED', 'SUCCESS')) AS succeeded,
    count(*) FILTER (WHERE state = 'FAILED') AS failed,
    count(*) FILTER (WHERE state IN ('WAITING', 'PROCESSING')) AS unfinished,
    coalesce(sum(duration) FILTER (WHERE state IN ('SUCCEED', 'SUCCESS')), 0) / 60 AS video_minutes
FROM {videos}
WHERE project_id = %s AND deleted_at IS NULL AND create_time IS NOT NULL
GROUP BY 1
ORDER BY day DESC
LIMIT 10
