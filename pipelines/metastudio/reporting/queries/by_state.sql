-- All jobs that the API lists, by state, with the time of the last change.
SELECT state, count(*) AS jobs, max(updated_at) AS last_change
FROM {video_jobs}
WHERE {tenants} AND NOT is_deleted
GROUP BY state
ORDER BY jobs DESC, state
