-- How long jobs waited and rendered, by week, in the 13 weeks before the last sync, in seconds.
-- Weeks with fewer than 5 jobs are left out.
SELECT
    max(health.today) - 7 * jobs.weeks_ago AS week,
    jobs.job_type,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY jobs.wait_seconds) AS wait_seconds_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY jobs.wait_seconds) AS wait_seconds_p95,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY jobs.render_seconds) AS render_seconds_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY jobs.render_seconds) AS render_seconds_p95
FROM (
    SELECT *, cast(floor(age_seconds / (7 * 86400)) AS integer) AS weeks_ago
    FROM {video_jobs}
    WHERE project_id = %s AND age_seconds < 91 * 86400
) AS jobs
JOIN {sync_health} AS health ON health.project_id = jobs.project_id
GROUP BY jobs.weeks_ago, jobs.job_type
HAVING count(*) >= 5
ORDER BY week, jobs.job_type
