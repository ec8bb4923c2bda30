-- Production and backlog by day, with the six days before for rates over seven days.
SELECT
    cast(days.day AS date) AS day,
    coalesce(production.succeeded, 0) AS succeeded,
    coalesce(production.failed, 0) AS failed,
    coalesce(production.canceled, 0) AS canceled,
    coalesce(production.frozen, 0) AS frozen,
    coalesce(production.still_open, 0) AS still_open,
    coalesce(completions.open_at_end, 0) AS open_at_end,
    cast(days.day AS date) >= {since} AS is_shown
FROM generate_series(cast({since} - 6 AS timestamp), cast({until} AS timestamp), interval '1 day') AS days (day)
LEFT JOIN (
    SELECT
        day,
        {outcomes}
    FROM {daily_production}
    WHERE {tenants} AND day BETWEEN {since} - 6 AND {until}
    GROUP BY day
) AS production ON production.day = cast(days.day AS date)
LEFT JOIN (
    SELECT cast(dates.day AS date) AS day, cast(sum(daily.open_at_end) AS bigint) AS open_at_end
    FROM generate_series(cast({since} AS timestamp), cast({until} AS timestamp), interval '1 day') AS dates (day)
    INNER JOIN (
        SELECT day, open_at_end, max(day) OVER (PARTITION BY project_id, app_user_id, job_type) AS last_day
        FROM {daily_completions}
        WHERE {tenants} AND day <= {until}
    ) AS daily ON daily.day = least(cast(dates.day AS date), daily.last_day)
    GROUP BY dates.day
) AS completions ON completions.day = cast(days.day AS date)
ORDER BY days.day
