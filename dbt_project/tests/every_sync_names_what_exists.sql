-- Syncs whose audience is no model, or that know people by a mere spelling of a type:
-- they would send nobody and say nothing. Mappings of an attribute that neither the
-- audience nor dim_profiles has: they would tell nothing of anybody.
{%- set audiences = {'dim_profiles': []} %}
{%- set of_profiles = [] %}
{%- for node in graph.nodes.values() if node.resource_type == 'model' %}
    {%- if node.name.startswith('audience_') %}
        {%- set name = node.name | replace('audience_', '', 1) %}
        {%- do audiences.update({name: node.columns | list}) %}
    {%- elif node.name == 'dim_profiles' %}
        {%- do of_profiles.extend(node.columns | list) %}
    {%- endif %}
{%- endfor %}

select
    sync_name,
    'audience_name' as field,
    audience_name as named
from {{ ref('syncs') }}
where audience_name not in ('{{ audiences | join("', '") }}')
union all
select
    sync_name,
    'recipient_type' as field,
    recipient_type as named
from {{ ref('syncs') }}
where
    recipient_type in (
        select identifier_type from {{ ref('identifier_types') }}
        where same_as is not null
    )
union all
select
    mappings.sync_name,
    'attribute' as field,
    mappings.attribute as named
from {{ ref('sync_mappings') }} as mappings
inner join {{ ref('syncs') }} as syncs
    on mappings.sync_name = syncs.sync_name
where
    mappings.attribute not in ('{{ of_profiles | join("', '") }}')
    and syncs.audience_name || '.' || mappings.attribute not in (
        ''
        {%- for audience, columns in audiences.items() %}{% for column in columns %}
        , '{{ audience }}.{{ column }}'
        {%- endfor %}{% endfor %}
    )
