-- Failed jobs by week of creation and reason, for the chart.
SELECT
    week,
    CASE WHEN rank <= 5 THEN error_code ELSE 'others' END AS error_code,
    cast(sum(jobs) AS bigint) AS jobs
FROM (
    SELECT week, error_code, jobs, dense_rank() OVER (ORDER BY total DESC, error_code) AS rank
    FROM (
        SELECT week, error_code, sum(jobs) AS jobs, sum(sum(jobs)) OVER (PARTITION BY error_code) AS total
        FROM {failure_trend}
        WHERE {tenants} AND week BETWEEN {trend_since} AND {until}
        GROUP BY week, error_code
    ) AS totals
    WHERE total > 0
) AS ranked
GROUP BY week, CASE WHEN rank <= 5 THEN error_code ELSE 'others' END
ORDER BY week, error_code
