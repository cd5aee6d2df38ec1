-- Syncs whose audience is no model: they would send nobody and say nothing.
{%- set audiences = ['dim_profiles'] %}
{%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name.startswith('audience_') %}
    {%- do audiences.append(node.name | replace('audience_', '', 1)) %}
{%- endfor %}

select
    sync_name,
    audience_name
from {{ ref('syncs') }}
where audience_name not in ('{{ audiences | join("', '") }}')
