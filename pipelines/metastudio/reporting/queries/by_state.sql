-- The jobs that the API lists, by state, with the time of the last change.
SELECT state, count(*) AS jobs, max(updated_at) AS last_change
FROM {video_jobs}
WHERE project_id = %s AND NOT is_deleted
GROUP BY state
ORDER BY jobs DESC, state
