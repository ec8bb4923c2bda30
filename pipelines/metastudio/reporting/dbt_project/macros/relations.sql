{#-
    On DuckDB, views name their tables by schema alone. DuckDB then looks for the tables in the
    database of the view, so that a file can be copied, renamed or attached under another name.
-#}
{% macro without_own_database(relation) -%}
    {%- set is_own = target.type == 'duckdb' and relation.database == this.database -%}
    {{ return(relation.include(database=false) if is_own else relation) }}
{%- endmacro %}

{% macro ref() -%}
    {{ return(without_own_database(builtins.ref(*varargs, **kwargs))) }}
{%- endmacro %}

{% macro source() -%}
    {{ return(without_own_database(builtins.source(*varargs, **kwargs))) }}
{%- endmacro %}
