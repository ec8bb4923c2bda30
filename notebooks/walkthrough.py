"""A tour of the reporting models: how much is produced, how reliably and how fast."""

# ruff: noqa: B018, F541 (marimo writes its cells so)

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Video production", sql_output="native")


@app.cell
def _():
    import os

    import altair as alt
    import duckdb
    import marimo as mo

    path = os.environ.get("DESTINATION__DUCKDB__CREDENTIALS", "videos.duckdb")
    warehouse = duckdb.connect(path, read_only=True)
    _ = warehouse.execute("SET TimeZone = 'UTC'")
    return alt, mo, warehouse


@app.cell
def _(mo):
    mo.md("""
    # Video production

    `metastudio sync` loads tables in the API's own words into the schema `metastudio`. This notebook
    reads the models on top of them in `metastudio_reporting`: one row per job, per day, per reason.
    It opens the file read-only; close it before the next sync. All figures are as of the last sync.

    ## 1. Are the figures fresh and complete?
    """)
    return


@app.cell
def _(mo, warehouse):
    health = mo.sql(
        f"""
        SELECT as_of, freshness_seconds, is_complete, jobs, open_jobs, deleted_jobs, rejected_records, unknown_states
        FROM metastudio_reporting.sync_health
        """,
        engine=warehouse,
    )
    return (health,)


@app.cell
def _(health, mo):
    as_of, _freshness, is_complete, jobs, *_ = health.fetchone()
    _complete = "every window was proved complete" if is_complete else "**some windows may lack jobs**"
    mo.md(f"As of **{as_of:%Y-%m-%d %H:%M} UTC**: {jobs:,} jobs; {_complete}.")
    return


@app.cell
def _(mo):
    mo.md("""
    ## 2. How much is produced?
    """)
    return


@app.cell
def _(mo, warehouse):
    weeks = mo.sql(
        f"""
        SELECT
            cast(date_trunc('week', day) AS date) AS week,
            job_type,
            cast(sum(created) AS bigint) AS created,
            cast(sum(succeeded) AS bigint) AS succeeded,
            round(sum(video_minutes), 1) AS video_minutes
        FROM metastudio_reporting.daily_production
        GROUP BY 1, 2
        ORDER BY 1 DESC, 2
        """,
        engine=warehouse,
    )
    return (weeks,)


@app.cell
def _(alt, weeks):
    production = (
        alt.Chart(weeks.to_arrow_table(), title="Minutes of video per week", width="container", height=240)
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
def _(mo, warehouse):
    rates = mo.sql(
        f"""
        SELECT
            cast(date_trunc('month', day) AS date) AS month,
            round(sum(succeeded) / nullif(sum(succeeded) + sum(failed), 0), 4) AS success_rate
        FROM metastudio_reporting.daily_production
        GROUP BY 1
        ORDER BY 1 DESC
        """,
        engine=warehouse,
    )
    return (rates,)


@app.cell
def _(alt, rates):
    success = (
        alt.Chart(rates.to_arrow_table(), title="Success rate per month", width="container", height=200)
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
def _(mo, warehouse):
    reasons = mo.sql(
        f"""
        SELECT rank, error_code, example_message, jobs, round(share, 3) AS share, round(cumulative_share, 3) AS cumulative_share
        FROM metastudio_reporting.failure_reasons
        ORDER BY rank
        """,
        engine=warehouse,
    )
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
def _(mo, warehouse):
    hours = mo.sql(
        f"""
        SELECT
            cast(extract(hour FROM created_at) AS integer) AS hour,
            count(*) AS jobs,
            round(percentile_cont(0.5) WITHIN GROUP (ORDER BY wait_seconds)) AS p50,
            round(percentile_cont(0.95) WITHIN GROUP (ORDER BY wait_seconds)) AS p95
        FROM metastudio_reporting.video_jobs
        WHERE wait_seconds IS NOT NULL
        GROUP BY 1
        ORDER BY 1
        """,
        engine=warehouse,
    )
    return (hours,)


@app.cell
def _(alt, hours):
    waiting = (
        alt.Chart(
            hours.to_arrow_table(), title="Seconds waited, by hour of creation (UTC)", width="container", height=220
        )
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
def _(mo, warehouse):
    oldest = mo.sql(
        f"""
        SELECT job_id, state, job_type, created_at, round(age_seconds / 60, 1) AS minutes
        FROM metastudio_reporting.video_jobs
        WHERE is_open
        ORDER BY age_seconds DESC
        LIMIT 20
        """,
        engine=warehouse,
    )
    return (oldest,)


@app.cell
def _(mo, warehouse):
    failures = mo.sql(
        f"""
        SELECT failed_at, job_id, error_code, error_message
        FROM metastudio_reporting.job_errors
        ORDER BY failed_at DESC
        LIMIT 20
        """,
        engine=warehouse,
    )
    return (failures,)


if __name__ == "__main__":
    app.run()
