-- Why live jobs failed, most frequent first, with the share of all failures.
SELECT
    coalesce(error_info__error_code, '(no code)') AS error_code,
    coalesce(max(error_info__error_msg), '') AS example,
    count(*) AS jobs,
    100.0 * count(*) / sum(count(*)) OVER () AS percent
FROM {videos}
WHERE project_id = %s AND deleted_at IS NULL AND state = 'FAILED'
GROUP BY 1
ORDER BY jobs DESC, error_code
LIMIT 10
