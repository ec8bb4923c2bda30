-- How long the jobs created in the period waited and rendered, and took in all, in seconds.
SELECT
    job_type,
    count(*) AS jobs,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY wait_seconds) AS wait_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY wait_seconds) AS wait_p95,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY render_seconds) AS render_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY render_seconds) AS render_p95,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY turnaround_seconds) FILTER (WHERE is_success) AS turnaround_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY turnaround_seconds) FILTER (WHERE is_success) AS turnaround_p95
FROM {video_jobs}
WHERE {tenants} AND created_on BETWEEN {since} AND {until}
GROUP BY job_type
ORDER BY jobs DESC, job_type
