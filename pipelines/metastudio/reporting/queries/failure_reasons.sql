-- Why jobs created in the period failed. The rows add up to all that failed: codes beyond the
-- first five are one row.
SELECT
    CASE WHEN min(rank) <= 5 THEN min(error_code) ELSE 'others' END AS error_code,
    CASE WHEN min(rank) <= 5 THEN min(example_message) ELSE 'error codes: ' || count(*) END AS example_message,
    cast(sum(jobs) AS bigint) AS jobs,
    cast(sum(jobs) AS double precision) / nullif(max(failed), 0) AS share,
    max(last_failed_at) AS last_failed_at
FROM (
    SELECT
        error_code,
        max(error_message) AS example_message,
        count(*) AS jobs,
        max(failed_at) AS last_failed_at,
        row_number() OVER (ORDER BY count(*) DESC, error_code) AS rank,
        sum(count(*)) OVER () AS failed
    FROM {job_errors}
    WHERE {tenants} AND state = 'FAILED' AND created_on BETWEEN {since} AND {until}
    GROUP BY error_code
) AS reasons
GROUP BY least(rank, 6)
ORDER BY least(rank, 6)
