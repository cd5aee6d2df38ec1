{# How far every one of several models has read an input: for a relation of touched keys that serves all of them. #}
{% macro seen_by_all(model_names, input_name, column='_load_id') -%}
    {%- set marks = [] -%}
    {%- for model_name in model_names -%}
        {%- do marks.append(seen(model_name, input_name, column)) -%}
    {%- endfor -%}
    {{ return(marks | min) }}
{%- endmacro %}
