-- Why jobs of the last 30 days failed, most frequent reason first.
SELECT
    error_code,
    example_message,
    jobs_last_30_days AS jobs,
    cast(jobs_last_30_days AS double precision) / nullif(sum(jobs_last_30_days) OVER (), 0) AS share,
    last_failed_at
FROM {failure_reasons}
WHERE project_id = %s AND jobs_last_30_days > 0
ORDER BY jobs_last_30_days DESC, error_code
LIMIT 5
