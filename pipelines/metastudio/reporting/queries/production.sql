-- Production today and in the last 7 and 30 days, and the change of the success rate from the
-- period before.
SELECT
    days,
    created,
    succeeded,
    failed,
    cast(succeeded AS double precision) / nullif(succeeded + failed, 0) AS success_rate,
    cast(succeeded AS double precision) / nullif(succeeded + failed, 0)
    - cast(succeeded_before AS double precision) / nullif(succeeded_before + failed_before, 0) AS change,
    video_minutes
FROM (
    SELECT
        periods.days,
        cast(coalesce(sum(daily.created) FILTER (WHERE daily.day > health.today - periods.days), 0) AS bigint) AS created,
        cast(coalesce(sum(daily.succeeded) FILTER (WHERE daily.day > health.today - periods.days), 0) AS bigint) AS succeeded,
        cast(coalesce(sum(daily.failed) FILTER (WHERE daily.day > health.today - periods.days), 0) AS bigint) AS failed,
        cast(coalesce(sum(daily.succeeded) FILTER (WHERE daily.day <= health.today - periods.days), 0) AS bigint) AS succeeded_before,
        cast(coalesce(sum(daily.failed) FILTER (WHERE daily.day <= health.today - periods.days), 0) AS bigint) AS failed_before,
        coalesce(sum(daily.video_minutes) FILTER (WHERE daily.day > health.today - periods.days), 0) AS video_minutes
    FROM {sync_health} AS health
    CROSS JOIN (VALUES (1), (7), (30)) AS periods (days)
    LEFT JOIN {daily_production} AS daily
        ON daily.project_id = health.project_id AND daily.day > health.today - 2 * periods.days
    WHERE health.project_id = %s
    GROUP BY periods.days
) AS totals
ORDER BY days
