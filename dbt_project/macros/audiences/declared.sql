{# A row for each audience there is: a hash of what defines it, its purpose, and whether it asks for consent.
   Whatever an audience reads of other audiences defines it, too. #}
{% macro declared_audiences() -%}
    select
        cast(null as {{ dbt.type_string() }}) as audience_name,
        cast(null as {{ dbt.type_string() }}) as definition,
        cast(null as {{ dbt.type_string() }}) as purpose,
        false as asks_consent
    where 1 = 0
    {%- if execute %}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name.startswith('audience_') %}
    union all
    select
        '{{ node.name | replace('audience_', '', 1) }}',
        '{{ audience_definition(node) }}',
        '{{ node.config.meta.get('purpose', '') }}',
        {{ 'model.millrace.dim_consents' in node.depends_on.nodes }}
        {%- endfor %}
    {%- endif %}
{%- endmacro %}

{% macro audience_definition(node) -%}
    {%- set parts = [node.checksum.checksum] -%}
    {%- for parent in node.depends_on.nodes | sort if '.audience_' in parent -%}
        {%- do parts.append(audience_definition(graph.nodes[parent])) -%}
    {%- endfor -%}
    {{ return(local_md5(parts | join('|'))) }}
{%- endmacro %}
