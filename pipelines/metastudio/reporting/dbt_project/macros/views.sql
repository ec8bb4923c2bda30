{#-
    On PostgreSQL, a view is replaced instead of dropped, so that views of others on it and grants
    survive. Changed columns are reported by an error that the connector recognizes: it drops the
    views only if nobody else's objects depend on them. This applies unless another project uses
    this one as a package.
-#}
{% materialization view, adapter='postgres' -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
        do $metastudio$
        begin
            create or replace view {{ target_relation }} as (
                {{ sql }}
            );
        exception
            when invalid_table_definition then
                raise exception '{{ columns_changed() }}';
            when query_canceled or others then  -- dbt passes on only the message
                raise exception using errcode = sqlstate, message = concat('<', sqlstate, '> ', sqlerrm);
        end
        $metastudio$
    {%- endcall %}
    {% do persist_docs(target_relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}

{#- The error by which the connector recognizes changed columns: COLUMNS_CHANGED. -#}
{% macro columns_changed() -%}
    metastudio: the columns of a view changed
{%- endmacro %}
