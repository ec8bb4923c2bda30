-- Selects from every other model without reading a row: the query fails if one is unusable.
select
    cast('{{ var("metastudio_version") }}' as text) as version,
    cast('{{ var("metastudio_time_zone") }}' as text) as time_zone,
    cast({{ var("metastudio_sla_seconds") }} as bigint) as sla_seconds,
    cast({{ literal(tojson(var("metastudio_tenants"))) }} as text) as tenants
where not exists (
    {%- for model in ['output_assets', 'daily_completions', 'failure_reasons', 'failure_trend', 'job_state_history', 'backlog', 'sync_health'] %}
    select 1 from {{ ref(model) }} where 1 = 0
    {%- if not loop.last %} union all{% endif %}
    {%- endfor %}
)
