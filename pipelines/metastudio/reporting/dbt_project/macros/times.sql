{#-
    Seconds from start to end; null if one is missing or if the end is before the start. Extract
    gives decimals on PostgreSQL, which cost as much as all the rest of a query.
-#}
{% macro seconds_between(start, end) -%}
    case when {{ end }} >= {{ start }} then
        {%- if target.type == "postgres" %} date_part('epoch', {{ end }} - {{ start }})
        {%- else %} extract(epoch from {{ end }}) - extract(epoch from {{ start }})
        {%- endif %}
    end
{%- endmacro %}

{#-
    The day of a time in the time zone of the variable metastudio_time_zone. If the zone has a fixed
    offset from UTC, as China has since 1991, days are computed from it, which is far cheaper than a
    conversion. At either end of time, the day in another zone may be in an invalid year.
-#}
{% macro day_of(time) -%}
    {%- set zone = var("metastudio_time_zone") -%}
    {%- if zone == "UTC" -%}
        {{ day_ahead_of_utc(time, 0) }}
    {%- else -%}
        case
            {%- if zone == "Asia/Shanghai" %}
            when {{ time }} >= timestamp with time zone '1992-01-01 00:00:00+00'
                and {{ time }} < timestamp with time zone '9999-12-31 00:00:00+00' then {{ day_ahead_of_utc(time, 8) }}
            {%- endif %}
            when {{ time }} < timestamp with time zone '0001-01-02 00:00:00+00' then date '0001-01-01'
            when {{ time }} >= timestamp with time zone '9999-12-31 00:00:00+00' then date '9999-12-31'
            else cast({{ time }} at time zone '{{ zone }}' as date)
        end
    {%- endif -%}
{%- endmacro %}

{#- The day of a time where clocks are some hours ahead of UTC. -#}
{% macro day_ahead_of_utc(time, hours) -%}
    {%- if target.type == "postgres" -%}
        cast({{ time }} at time zone interval '{{ hours }} hours' as date)
    {%- else -%}
        date '1970-01-01' + cast(floor((extract(epoch from {{ time }}) + {{ hours * 3600 }}) / 86400) as integer)
    {%- endif -%}
{%- endmacro %}

{#- The Monday of a day's week. -#}
{% macro week_of(day) -%}
    cast(date_trunc('week', {{ day }}) as date)
{%- endmacro %}

{#- One row for each day of a range, both ends included. -#}
{% macro each_day(first_day, last_day) -%}
    {%- set series = "generate_series(cast(" ~ first_day ~ " as timestamp), cast(" ~ last_day ~ " as timestamp), interval '1 day')" -%}
    cast({{ "unnest(" ~ series ~ ")" if target.type == "duckdb" else series }} as date)
{%- endmacro %}

{#-
    The table expression `last_runs`: each tenant's last run, and its day. With `app_user` instead of
    a null, PostgreSQL sees that a tenant has one row, and omits a join with it if none of its
    columns is used.
-#}
{% macro last_runs() -%}
last_runs as (
    select
        project_id,
        coalesce(app_user_id, '') as app_user,
        max(finished_at) as as_of,
        {{ day_of('max(finished_at)') }} as today
    from {{ ref('stg_extraction_windows') }}
    group by project_id, coalesce(app_user_id, '')
)
{%- endmacro %}

{#- Whether a row of `last_runs` is that of a row's tenant. -#}
{% macro is_last_run_of(rows) -%}
    last_runs.project_id = {{ rows }}.project_id and last_runs.app_user = coalesce({{ rows }}.app_user_id, '')
{%- endmacro %}

{#- The day of a tenant's last run; without one, of now. -#}
{% macro today() -%}
    coalesce(last_runs.today, {{ day_of('current_timestamp') }})
{%- endmacro %}

{#-
    The table expression `days`: each day and job type of each tenant, from its first job to its
    last run, for ten years at most. Otherwise, a single job with a wrong year would add a row for
    each day since. `created` has a row for each day on which jobs were created.
-#}
{% macro calendar(created) -%}
{{ last_runs() }},

job_types as (
    select
        project_id,
        app_user_id,
        job_type,
        min(min(day)) over (partition by project_id, app_user_id) as first_day
    from {{ created }}
    group by project_id, app_user_id, job_type
),

lifetimes as (
    select job_types.*, {{ today() }} as last_day
    from job_types
    left join last_runs on {{ is_last_run_of('job_types') }}
),

days as (
    select
        project_id,
        app_user_id,
        job_type,
        {{ each_day('greatest(first_day, last_day - 3650)', 'last_day') }} as day
    from lifetimes
)
{%- endmacro %}

{#- One count as a share of another; null if the other is zero. -#}
{% macro share_of(part, total) -%}
    cast({{ part }} as double precision) / nullif({{ total }}, 0)
{%- endmacro %}
