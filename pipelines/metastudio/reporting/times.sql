-- How long jobs wait before they are rendered, and how long that takes, in seconds; a pair of times that runs backwards counts as unknown.
SELECT
    coalesce(job_type, '(none)') AS job_type,
    count(wait_seconds) AS jobs,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY wait_seconds) AS wait_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY wait_seconds) AS wait_p95,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY render_seconds) AS render_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY render_seconds) AS render_p95
FROM (
    SELECT
        job_type,
        CASE WHEN start_time >= create_time THEN extract(epoch FROM start_time - create_time) END AS wait_seconds,
        CASE WHEN end_time >= start_time THEN extract(epoch FROM end_time - start_time) END AS render_seconds
    FROM {videos}
    WHERE project_id = %s AND deleted_at IS NULL
) AS timed
GROUP BY 1
ORDER BY jobs DESC, job_type
