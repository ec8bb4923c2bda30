-- Production and backlog by day, with the six days before for rates over seven days.
SELECT
    production.day,
    production.succeeded,
    production.failed,
    production.canceled,
    production.frozen,
    production.still_open,
    completions.open_at_end
FROM (
    SELECT
        day,
        cast(sum(succeeded) AS bigint) AS succeeded,
        cast(sum(failed) AS bigint) AS failed,
        cast(sum(canceled) AS bigint) AS canceled,
        cast(sum(blocked) AS bigint) AS frozen,
        cast(sum(still_open) AS bigint) AS still_open
    FROM {daily_production}
    WHERE {tenants} AND day BETWEEN {chart_since} - 6 AND {until}
    GROUP BY day
) AS production
LEFT JOIN (
    SELECT day, cast(sum(open_at_end) AS bigint) AS open_at_end
    FROM {daily_completions}
    WHERE {tenants} AND day BETWEEN {chart_since} AND {until}
    GROUP BY day
) AS completions ON completions.day = production.day
ORDER BY production.day
