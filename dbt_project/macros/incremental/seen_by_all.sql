{# How far every one of several models has read an input: for a relation of touched keys that serves all of them. #}
{% macro seen_by_all(model_names, input_name, column='_load_id') -%}
    {%- set marks = [] -%}
    {%- for model_name in model_names -%}
        {%- do marks.append(seen(model_name, input_name, column)) -%}
    {%- endfor -%}
    {{ return(marks | min) }}
{%- endmacro %}

{# The same for the models that name this one as their relation of touched keys: no list to keep. #}
{% macro seen_by_consumers(input_name, column='_load_id') -%}
    {{ return(seen_by_all(consumers_of_keys(), input_name, column) if execute else 0) }}
{%- endmacro %}

{% macro consumers_of_keys() -%}
    {%- set names = [] -%}
    {%- for node in graph.nodes.values() -%}
        {%- if node.resource_type == 'model' and node.config.get('meta', {}).get('touched') == model.name -%}
            {%- do names.append(node.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}
