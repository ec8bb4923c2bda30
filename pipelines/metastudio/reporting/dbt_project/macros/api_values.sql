{#- A value of the API; UNKNOWN if the API gave none. -#}
{% macro or_unknown(column) -%}
    coalesce(nullif({{ column }}, ''), 'UNKNOWN')
{%- endmacro %}

{#- The API spells one state in two ways: SUCCESS is SUCCEED. -#}
{% macro normalize_state(column) -%}
    case {{ column }} when 'SUCCESS' then 'SUCCEED' else {{ or_unknown(column) }} end
{%- endmacro %}

{#- The API spells the type of photo jobs in two ways. -#}
{% macro normalize_job_type(column) -%}
    case {{ column }} when 'DIGITAL_HUMAN_PHOTO_VIDEO' then 'PHOTO_DIGITAL_HUMAN_VIDEO' else {{ or_unknown(column) }} end
{%- endmacro %}

{#- States in which a job has ended: TERMINAL_STATES of the connector, as a test ensures. -#}
{% macro terminal_states() -%}
    'SUCCEED', 'FAILED', 'CANCELED', 'BLOCK'
{%- endmacro %}

{#- All states that the vendor documents. -#}
{% macro known_states() -%}
    'WAITING', 'PROCESSING', {{ terminal_states() }}
{%- endmacro %}

{#-
    The outcome of a job, one of five. A job that the API stopped listing before its end counts as
    canceled, and a job in an unknown state as open.
-#}
{% macro outcome_of(state, deleted_at) -%}
    case {{ state }}
        when 'SUCCEED' then 'succeeded'
        when 'FAILED' then 'failed'
        when 'CANCELED' then 'canceled'
        when 'BLOCK' then 'frozen'
        else case when {{ deleted_at }} is null then 'open' else 'canceled' end
    end
{%- endmacro %}

{#- When a job came to its end, which is never before its creation; null if it is open. -#}
{% macro end_of(jobs) -%}
    case
        when {{ jobs }}.state not in ({{ terminal_states() }}) then {{ jobs }}.deleted_at
        when {{ jobs }}.finished_at >= {{ jobs }}.created_at then {{ jobs }}.finished_at
        else greatest({{ jobs }}.updated_at, {{ jobs }}.created_at)
    end
{%- endmacro %}

{#- Whether a job has each outcome: columns for `count_outcomes`. -#}
{% macro each_outcome() -%}
    outcome = 'succeeded' as is_succeeded,
    outcome = 'failed' as is_failed,
    outcome = 'canceled' as is_canceled,
    outcome = 'frozen' as is_frozen
{%- endmacro %}

{#- The number of jobs of each outcome; with those that are open, they add up to all jobs. -#}
{% macro count_outcomes() -%}
    count(*) filter (where is_succeeded) as succeeded,
    count(*) filter (where is_failed) as failed,
    count(*) filter (where is_canceled) as canceled,
    count(*) filter (where is_frozen) as blocked
{%- endmacro %}

{#-
    For the end of a subquery. PostgreSQL then computes its columns there: once for each job and in
    parallel, not later in the single process that sorts jobs into groups. Starting at row 0 changes
    no row. A number that is not a literal of this type would end parallel work.
-#}
{% macro compute_here() -%}
    {% if target.type == "postgres" %}offset bigint '0'{% endif %}
{%- endmacro %}
