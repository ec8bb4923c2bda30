{#- A word of the API; UNKNOWN where it gave none. -#}
{% macro word(column) -%}
    coalesce(nullif({{ column }}, ''), 'UNKNOWN')
{%- endmacro %}

{#- SUCCESS is another spelling of SUCCEED. -#}
{% macro one_state(column) -%}
    case {{ column }} when 'SUCCESS' then 'SUCCEED' else {{ word(column) }} end
{%- endmacro %}

{#- The vendor's SDK turns the words of the photo jobs' type round. -#}
{% macro one_job_type(column) -%}
    case {{ column }} when 'DIGITAL_HUMAN_PHOTO_VIDEO' then 'PHOTO_DIGITAL_HUMAN_VIDEO' else {{ word(column) }} end
{%- endmacro %}

{#- The states that the vendor documents. -#}
{% macro known_states() -%}
    'WAITING', 'PROCESSING', 'SUCCEED', 'FAILED', 'CANCELED', 'BLOCK'
{%- endmacro %}
