"""A tour of the reporting models: how much is produced, how reliably and how fast."""

# ruff: noqa: B018 (marimo writes its cells so)

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Video production")


@app.cell
def _():
    import os
    from datetime import UTC, datetime, timedelta

    import altair as alt
    import marimo as mo
    from metastudio.destination.jobs import Destination
    from metastudio.pipeline.factory import open_pipeline
    from metastudio.pipeline.options import Options
    from metastudio.reporting.health import Limits, describe_health, judge_health
    from metastudio.reporting.model_version import Models

    destination = os.environ.get("PIPELINES__METASTUDIO__DESTINATION_TYPE", "duckdb")
    models = Models(Destination(open_pipeline(Options(destination=destination), read_only=True)))

    def ask(sql, *params):
        """Run a query on a connection of its own, so that a sync can run between cells."""
        return models.query_dicts(sql, *params)

    def plot(rows):
        """Return rows in the form that Altair takes."""
        values = [
            {name: str(value) if hasattr(value, "isoformat") else value for name, value in row.items()} for row in rows
        ]
        return alt.Data(values=values)

    return (
        Limits,
        UTC,
        alt,
        ask,
        datetime,
        describe_health,
        judge_health,
        mo,
        plot,
        timedelta,
    )


@app.cell
def _(mo):
    mo.md("""
    # Video production

    `metastudio sync` loads tables in the API's own words. This notebook reads the models on top of them:
    one row per job, per day, per reason. It runs on DuckDB and on PostgreSQL, and opens the database
    for each query alone. All figures are as of the last sync, and days are those of the models' time
    zone.

    ## 1. Are the figures fresh and complete?
    """)
    return


@app.cell
def _(Limits, UTC, ask, datetime, judge_health):
    health = [
        judge_health(row, Limits(), datetime.now(UTC)) for row in ask("SELECT * FROM {sync_health} ORDER BY tenant")
    ]
    return (health,)


@app.cell
def _(describe_health, health, mo):
    mo.md(
        "\n".join(
            f"- {row['tenant']}: {finding.mark} {finding.sentence}"
            for row in health
            for finding in describe_health(row)
        )
        or "Nothing was synced yet."
    )
    return


@app.cell
def _(ask, health, mo, timedelta):
    today = max(row["today"] for row in health)
    first_day = ask("SELECT min(day) AS day FROM {daily_production}")[0]["day"] or today
    job_types = [row["job_type"] for row in ask("SELECT DISTINCT job_type FROM {video_jobs} ORDER BY 1")]
    period = mo.ui.date_range(
        start=first_day, stop=today, value=(max(first_day, today - timedelta(days=364)), today), label="Period"
    )
    tenant = mo.ui.dropdown(["all", *(row["tenant"] for row in health)], value="all", label="Tenant")
    job_type = mo.ui.dropdown(["all", *job_types], value="all", label="Job type")
    mo.hstack([period, tenant, job_type], justify="start")
    return job_type, period, tenant


@app.cell
def _(job_type, period, tenant):
    chosen = "(%s = 'all' OR tenant = %s) AND (%s = 'all' OR job_type = %s)"
    choice = [tenant.value, tenant.value, job_type.value, job_type.value]
    days = list(period.value)
    return choice, chosen, days


@app.cell
def _(mo):
    mo.md("""
    ## 2. How much is produced?
    """)
    return


@app.cell
def _(ask, choice, chosen, days, mo):
    weeks = ask(
        f"""
        SELECT
            cast(date_trunc('week', day) AS date) AS week,
            job_type,
            cast(sum(created) AS bigint) AS created,
            cast(sum(succeeded) AS bigint) AS succeeded,
            cast(sum(video_minutes) AS double precision) AS video_minutes
        FROM {{daily_production}}
        WHERE {chosen} AND day BETWEEN %s AND %s
        GROUP BY 1, 2
        ORDER BY 1 DESC, 2
        """,
        *choice,
        *days,
    )
    mo.ui.table(weeks)
    return (weeks,)


@app.cell
def _(alt, plot, weeks):
    production = (
        alt.Chart(plot(weeks), title="Minutes of video per week", width="container", height=240)
        .mark_bar()
        .encode(
            x=alt.X("week:T", title=None),
            y=alt.Y("video_minutes:Q", title="minutes"),
            color=alt.Color("job_type:N", title=None, legend=alt.Legend(orient="top")),
            tooltip=["week:T", "job_type:N", "created:Q", "succeeded:Q", alt.Tooltip("video_minutes:Q", format=",.0f")],
        )
    )
    production
    return (production,)


@app.cell
def _(mo):
    mo.md("""
    ## 3. How reliably?

    The success rate is `succeeded / (succeeded + failed)`. Canceled, frozen and open jobs do not
    count.
    """)
    return


@app.cell
def _(ask, choice, chosen, days, mo):
    rates = ask(
        f"""
        SELECT
            cast(date_trunc('month', day) AS date) AS month,
            cast(sum(succeeded) AS double precision) / nullif(sum(succeeded) + sum(failed), 0) AS success_rate
        FROM {{daily_production}}
        WHERE {chosen} AND day BETWEEN %s AND %s
        GROUP BY 1
        ORDER BY 1 DESC
        """,
        *choice,
        *days,
    )
    mo.ui.table(rates)
    return (rates,)


@app.cell
def _(alt, plot, rates):
    success = (
        alt.Chart(plot(rates), title="Success rate per month", width="container", height=200)
        .mark_line(point=True)
        .encode(
            x=alt.X("month:T", title=None),
            y=alt.Y("success_rate:Q", title=None, axis=alt.Axis(format=".0%"), scale=alt.Scale(zero=False)),
            tooltip=["month:T", alt.Tooltip("success_rate:Q", format=".1%")],
        )
    )
    success
    return (success,)


@app.cell
def _(ask, choice, chosen, days, mo):
    reasons = ask(
        f"""
        SELECT error_code, max(error_message) AS example, count(*) AS jobs, max(failed_at) AS last_failed_at
        FROM {{job_errors}}
        WHERE state = 'FAILED' AND {chosen} AND created_on BETWEEN %s AND %s
        GROUP BY error_code
        ORDER BY jobs DESC, error_code
        """,
        *choice,
        *days,
    )
    mo.ui.table(reasons)
    return (reasons,)


@app.cell
def _(mo):
    mo.md("""
    ## 4. How fast, and does waiting depend on the hour?

    `wait_seconds` runs from creation to the start of rendering. It is null if the API reports a start
    before the creation; such jobs are left out here.
    """)
    return


@app.cell
def _(ask, choice, chosen, days, mo):
    hours = ask(
        f"""
        SELECT
            cast(extract(hour FROM created_at AT TIME ZONE version.time_zone) AS integer) AS hour,
            count(*) AS jobs,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY wait_seconds) AS p50,
            percentile_cont(0.95) WITHIN GROUP (ORDER BY wait_seconds) AS p95
        FROM {{video_jobs}}
        CROSS JOIN {{models_version}} AS version
        WHERE wait_seconds IS NOT NULL AND {chosen} AND created_on BETWEEN %s AND %s
        GROUP BY 1
        ORDER BY 1
        """,
        *choice,
        *days,
    )
    mo.ui.table(hours)
    return (hours,)


@app.cell
def _(alt, hours, plot):
    waiting = (
        alt.Chart(plot(hours), title="Seconds waited, by hour of creation", width="container", height=220)
        .transform_fold(["p50", "p95"], as_=["percentile", "seconds"])
        .mark_line(point=True)
        .encode(
            x=alt.X("hour:O", title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("seconds:Q", title="seconds"),
            color=alt.Color("percentile:N", title=None, legend=alt.Legend(orient="top")),
            tooltip=["hour:O", "percentile:N", alt.Tooltip("seconds:Q", format=",.0f"), "jobs:Q"],
        )
    )
    waiting
    return (waiting,)


@app.cell
def _(mo):
    mo.md("""
    ## 5. What needs attention today?

    The oldest open jobs, and the newest failures.
    """)
    return


@app.cell
def _(ask, choice, chosen, mo):
    oldest = ask(
        f"""
        SELECT tenant, job_id, state, job_type, created_at, cast(age_seconds / 60 AS integer) AS minutes
        FROM {{video_jobs}}
        WHERE is_open AND {chosen}
        ORDER BY age_seconds DESC
        LIMIT 20
        """,
        *choice,
    )
    mo.ui.table(oldest)
    return (oldest,)


@app.cell
def _(ask, choice, chosen, mo):
    failures = ask(
        f"""
        SELECT tenant, failed_at, job_id, error_code, error_message
        FROM {{job_errors}}
        WHERE state = 'FAILED' AND {chosen}
        ORDER BY failed_at DESC
        LIMIT 20
        """,
        *choice,
    )
    mo.ui.table(failures)
    return (failures,)


if __name__ == "__main__":
    app.run()
