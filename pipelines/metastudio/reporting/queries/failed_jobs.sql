-- The latest failed jobs.
SELECT tenant, job_id, job_type, failed_at, error_code, error_message
FROM {job_errors}
WHERE {tenants} AND state = 'FAILED' AND created_on BETWEEN {since} AND {until}
ORDER BY failed_at DESC, job_id
LIMIT 10
