{#- Seconds from one time to another; null where one is missing or where they run backwards. -#}
{% macro seconds_between(start, end) -%}
    case when {{ end }} >= {{ start }}
        then cast(extract(epoch from {{ end }}) - extract(epoch from {{ start }}) as double precision)
    end
{%- endmacro %}

{#- The day that a time belongs to, in the time zone of the variable metastudio_time_zone. -#}
{% macro day_of(time) -%}
    cast({{ time }} at time zone '{{ var("metastudio_time_zone") }}' as date)
{%- endmacro %}

{#- One count as a share of another; null where that is zero. -#}
{% macro share_of(part, whole) -%}
    cast({{ part }} as double precision) / nullif({{ whole }}, 0)
{%- endmacro %}
