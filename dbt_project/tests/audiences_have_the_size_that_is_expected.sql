-- Audiences with fewer or more members than their meta expects. A warning: it may be the
-- world that has changed.
{{ config(severity='warn') }}
{%- set expected = [] %}
{%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name.startswith('audience_') and node.config.meta.get('expected_size') %}
    {%- do expected.append(node) %}
{%- endfor %}

with

members as (
    select
        audience_name,
        count(distinct profile_id) as member_count
    from {{ ref('int_audiences_evaluated') }}
    group by audience_name
),

expected as (
    select
        cast(null as {{ dbt.type_string() }}) as audience_name,
        0 as at_least,
        0 as at_most
    where 1 = 0
    {%- for node in expected %}
    union all
    select
        '{{ node.name | replace('audience_', '', 1) }}',
        {{ node.config.meta.expected_size.get('from', 0) }},
        {{ node.config.meta.expected_size.get('to', 'null') }}
    {%- endfor %}
)

select
    expected.audience_name,
    coalesce(members.member_count, 0) as member_count,
    expected.at_least,
    expected.at_most
from expected
left join members on expected.audience_name = members.audience_name
where
    coalesce(members.member_count, 0) < expected.at_least
    or coalesce(members.member_count, 0) > expected.at_most
