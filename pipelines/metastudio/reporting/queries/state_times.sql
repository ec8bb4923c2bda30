-- How long jobs stayed in each state that they entered in the period and have left since.
SELECT
    state,
    count(*) AS stays,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS seconds_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS seconds_p95,
    max(seconds) AS seconds_max
FROM {job_state_history}
WHERE {tenants} AND NOT is_current AND entered_at >= {starts_at} AND entered_at < {ends_at}
GROUP BY state
ORDER BY stays DESC, state
