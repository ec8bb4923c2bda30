-- The jobs that wait or render, by time since their creation; no rows if there are none.
SELECT age, waiting, processing, in_other_states, jobs
FROM (
    SELECT
        age_order,
        age,
        cast(sum(waiting) AS bigint) AS waiting,
        cast(sum(processing) AS bigint) AS processing,
        cast(sum(in_other_states) AS bigint) AS in_other_states,
        cast(sum(jobs) AS bigint) AS jobs,
        sum(sum(jobs)) OVER () AS open_jobs
    FROM {backlog}
    WHERE {tenants}
    GROUP BY age_order, age
) AS ages
WHERE open_jobs > 0
ORDER BY age_order
