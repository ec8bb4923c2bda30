-- Selects from every other model without reading a row: the query fails if one is unusable.
select
    cast('{{ var("metastudio_version") }}' as text) as version,
    cast('{{ var("metastudio_time_zone") }}' as text) as time_zone
where not exists (
    {%- for model in ['output_assets', 'daily_production', 'failure_reasons', 'backlog', 'sync_health', 'stg_job_states'] %}
    select 1 from {{ ref(model) }} where 1 = 0
    {%- if not loop.last %} union all{% endif %}
    {%- endfor %}
)
