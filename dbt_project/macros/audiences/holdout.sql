{# Which of 10,000 buckets a person falls into under a salt. The same as orchestration.audience.holdout.bucket. #}
{% macro holdout_bucket(salt, person) -%}
    {{ hex_bigint('substring(' ~ sha256_hex(salt ~ " || '|' || " ~ person) ~ ', 1, 8)') }} % 10000
{%- endmacro %}

{# A row for each audience that holds people out: its meta says holdout_percent, and holdout_salt (else its name). #}
{% macro declared_holdouts() -%}
    select
        cast(null as {{ dbt.type_string() }}) as audience_name,
        cast(null as {{ dbt.type_string() }}) as salt,
        0 as bucket_count
    where 1 = 0
    {%- if execute %}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name.startswith('audience_') and node.config.meta.get('holdout_percent') %}
            {%- set audience_name = node.name | replace('audience_', '', 1) %}
    union all
    select
        '{{ audience_name }}',
        '{{ node.config.meta.get('holdout_salt', audience_name) }}',
        {{ (node.config.meta.holdout_percent * 100) | round | int }}
        {%- endfor %}
    {%- endif %}
{%- endmacro %}
