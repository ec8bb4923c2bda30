-- The open jobs that are older than the SLA allows, the oldest first.
SELECT tenant, job_id, state, job_type, created_at, age_seconds
FROM {video_jobs}
WHERE {tenants} AND is_open AND age_seconds > {sla_seconds}
ORDER BY age_seconds DESC, job_id
LIMIT 10
