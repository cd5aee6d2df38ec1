{#
  Connected components. Takes the scratch table `edges` (node_a, node_b) and hands the call block a query for (node_id,
  component_id): every node that has an edge, with the smallest node of its component. The query is good within the
  block.

  In DuckDB a compiled function does it in memory (orchestration/warehouse/components.py), at half the cost of the rounds
  in SQL. Those are for graphs beyond components_in_memory: what DuckDB does in SQL it can spill to disk.
#}
{% macro contract_components(edges) -%}
    {%- do adapter.dispatch('contract_components', 'millrace')(edges, caller) -%}
{%- endmacro %}

{% macro duckdb__contract_components(edges, use) -%}
    {%- if 0 < count_scratch(edges) <= var('components_in_memory') -%}
        {%- do use(
            'select unnest(components, recursive := true)'
            ~ ' from (select connected_components(list(node_a), list(node_b)) as components from ' ~ scratch(edges) ~ ')'
        ) -%}
    {%- else -%}
        {%- call(components) contract_in_rounds(edges) -%}{%- do use(components) -%}{%- endcall -%}
    {%- endif -%}
{%- endmacro %}

{% macro spark__contract_components(edges, use) -%}
    {%- call(components) contract_in_rounds(edges) -%}{%- do use(components) -%}{%- endcall -%}
{%- endmacro %}
