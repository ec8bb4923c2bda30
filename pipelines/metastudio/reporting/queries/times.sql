-- How long the jobs of the last 30 days waited and rendered, in seconds.
SELECT
    job_type,
    count(*) AS jobs,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY wait_seconds) AS wait_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY wait_seconds) AS wait_p95,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY render_seconds) AS render_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY render_seconds) AS render_p95
FROM {video_jobs}
WHERE project_id = %s AND age_seconds <= 30 * 86400
GROUP BY job_type
ORDER BY jobs DESC, job_type
