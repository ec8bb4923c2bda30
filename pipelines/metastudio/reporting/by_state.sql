-- Live jobs by state, and when one of them last changed.
SELECT coalesce(state, '(none)') AS state, count(*) AS jobs, max(lastupdate_time) AS last_change
FROM {videos}
WHERE project_id = %s AND deleted_at IS NULL
GROUP BY 1
ORDER BY jobs DESC, state
