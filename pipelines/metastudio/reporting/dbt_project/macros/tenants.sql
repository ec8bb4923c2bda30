{#- A text as an SQL literal. -#}
{% macro literal(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro %}

{#-
    The name of a row's tenant in the variable metastudio_tenants; without one, the project and the
    app user.
-#}
{% macro tenant_of(rows) -%}
    {%- set names = var("metastudio_tenants") -%}
    {%- if names %}case
    {%- for project_id, app_user_id, name in names %}
        when {{ rows }}.project_id = {{ literal(project_id) }} and {{ rows }}.app_user_id
            {%- if app_user_id is none %} is null{% else %} = {{ literal(app_user_id) }}{% endif %} then {{ literal(name) }}
    {%- endfor %}
        else {% endif -%}
    coalesce({{ rows }}.project_id || '/' || {{ rows }}.app_user_id, {{ rows }}.project_id)
    {%- if names %} end{% endif %}
{%- endmacro %}

{#- Whether two rows are of one tenant; a project that is not read for an app user is one, too. -#}
{% macro same_tenant(rows, others) -%}
    {{ rows }}.project_id = {{ others }}.project_id
    and coalesce({{ rows }}.app_user_id, '') = coalesce({{ others }}.app_user_id, '')
{%- endmacro %}
