-- The jobs created and ended in the period, by hour of the day.
SELECT
    hours.hour,
    cast(coalesce(sum(jobs.created), 0) AS bigint) AS created,
    cast(coalesce(sum(jobs.ended), 0) AS bigint) AS ended,
    cast(coalesce(sum(jobs.videos), 0) AS bigint) AS videos
FROM generate_series(0, 23) AS hours (hour)
LEFT JOIN (
    SELECT
        cast(extract(hour FROM created_at AT TIME ZONE '{time_zone}') AS bigint) AS hour,
        count(*) AS created,
        0 AS ended,
        0 AS videos
    FROM {video_jobs}
    WHERE {tenants} AND created_on BETWEEN {since} AND {until}
    GROUP BY 1
    UNION ALL
    SELECT
        cast(extract(hour FROM ended_at AT TIME ZONE '{time_zone}') AS bigint),
        0,
        count(*),
        count(*) FILTER (WHERE is_success)
    FROM {video_jobs}
    WHERE {tenants} AND created_at IS NOT NULL AND ended_on BETWEEN {since} AND {until}
    GROUP BY 1
) AS jobs ON jobs.hour = hours.hour
GROUP BY hours.hour
ORDER BY hours.hour
