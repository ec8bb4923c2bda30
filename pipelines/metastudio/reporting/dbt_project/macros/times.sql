{#- Seconds from start to end; null if one is missing or if the end is before the start. -#}
{% macro seconds_between(start, end) -%}
    case when {{ end }} >= {{ start }}
        then cast(extract(epoch from {{ end }}) - extract(epoch from {{ start }}) as double precision)
    end
{%- endmacro %}

{#-
    The day of a time in the time zone of the variable metastudio_time_zone. Days in UTC are
    counted from the epoch, which is far cheaper than a conversion. At either end of time, the day
    elsewhere may be in a year that is no valid one.
-#}
{% macro day_of(time) -%}
    {%- if var("metastudio_time_zone") == "UTC" -%}
        date '1970-01-01' + cast(floor(extract(epoch from {{ time }}) / 86400) as integer)
    {%- else -%}
        case
            when {{ time }} < timestamp with time zone '0001-01-02 00:00:00+00' then date '0001-01-01'
            when {{ time }} >= timestamp with time zone '9999-12-31 00:00:00+00' then date '9999-12-31'
            else cast({{ time }} at time zone '{{ var("metastudio_time_zone") }}' as date)
        end
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
    The table expression `days`: each day and job type of each tenant, from its first job to its
    last run, for ten years at most. A single job with a wrong year would otherwise bring a row for
    each day since. `created` has a row for each day on which jobs were created.
-#}
{% macro calendar(created) -%}
job_types as (
    select
        project_id,
        app_user_id,
        job_type,
        min(min(day)) over (partition by project_id, app_user_id) as first_day,
        max(max(today)) over (partition by project_id, app_user_id) as last_day
    from {{ created }}
    group by project_id, app_user_id, job_type
),

days as (
    select
        project_id,
        app_user_id,
        job_type,
        {{ each_day('greatest(first_day, last_day - 3650)', 'last_day') }} as day
    from job_types
)
{%- endmacro %}

{#- One count as a share of another; null where the other is zero. -#}
{% macro share_of(part, total) -%}
    cast({{ part }} as double precision) / nullif({{ total }}, 0)
{%- endmacro %}
