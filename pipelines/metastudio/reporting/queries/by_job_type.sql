-- Production in the period by type of job.
SELECT
    job_type,
    {outcomes},
    cast(sum(succeeded) AS double precision) / nullif(sum(succeeded) + sum(failed), 0) AS success_rate,
    cast(sum(canceled) AS double precision) / nullif(sum(created), 0) AS canceled_rate,
    cast(sum(blocked) AS double precision) / nullif(sum(created), 0) AS frozen_rate,
    sum(video_minutes) AS video_minutes
FROM {daily_production}
WHERE {tenants} AND day BETWEEN {since} AND {until}
GROUP BY job_type
HAVING sum(created) > 0
ORDER BY created DESC, job_type
