-- How long jobs waited and rendered, by week of creation, in seconds. Weeks with fewer than 5 jobs
-- are left out.
SELECT
    cast(date_trunc('week', created_on) AS date) AS week,
    job_type,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY wait_seconds) AS wait_seconds_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY wait_seconds) AS wait_seconds_p95,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY render_seconds) AS render_seconds_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY render_seconds) AS render_seconds_p95
FROM {video_jobs}
WHERE {tenants} AND created_on BETWEEN {trend_since} AND {until}
GROUP BY cast(date_trunc('week', created_on) AS date), job_type
HAVING count(*) >= 5
ORDER BY week, job_type
