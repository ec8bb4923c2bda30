-- The failed jobs of the last weeks by week of creation, for the most frequent reasons and all
-- others together.
SELECT
    CASE WHEN min(rank) <= 5 THEN min(error_code) ELSE 'others' END AS error_code,
    cast(sum(this_week) AS bigint) AS this_week,
    cast(sum(one_week_ago) AS bigint) AS one_week_ago,
    cast(sum(two_weeks_ago) AS bigint) AS two_weeks_ago,
    cast(sum(three_weeks_ago) AS bigint) AS three_weeks_ago
FROM (
    SELECT
        error_code,
        coalesce(sum(jobs) FILTER (WHERE week = {week}), 0) AS this_week,
        coalesce(sum(jobs) FILTER (WHERE week = {week} - 7), 0) AS one_week_ago,
        coalesce(sum(jobs) FILTER (WHERE week = {week} - 14), 0) AS two_weeks_ago,
        coalesce(sum(jobs) FILTER (WHERE week = {week} - 21), 0) AS three_weeks_ago,
        row_number() OVER (ORDER BY sum(jobs) DESC, error_code) AS rank
    FROM {failure_trend}
    WHERE {tenants} AND week BETWEEN {week} - 21 AND {week}
    GROUP BY error_code
    HAVING sum(jobs) > 0
) AS reasons
GROUP BY least(rank, 6)
ORDER BY least(rank, 6)
