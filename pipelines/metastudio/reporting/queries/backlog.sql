-- The jobs that wait or render, by time since their creation.
SELECT age, waiting, processing, in_other_states, jobs
FROM {backlog}
WHERE project_id = %s
ORDER BY age_order
