{#
  The compiled SQL of a model, kept in the warehouse and so in its read copy: the relay decides by exactly what the
  refresh decided by, without dbt and without these files. The logical time is left out, for the relay has its own.
#}
{% macro keep_sql() -%}
    {%- if execute -%}
        {%- set text = model.compiled_code | replace(as_of(), 'cast({as_of} as timestamp)') -%}
        {%- do replace_rows_of_model(kept_sql(), ["select '" ~ model.name ~ "' as model_name, " ~ text_literal(text) ~ ' as sql_text']) -%}
    {%- endif -%}
{%- endmacro %}

{# Before a run: the table, which two models that are built side by side could not both create. #}
{% macro create_kept_sql() -%}
    {%- if execute -%}
        {%- do create_table_of_models(kept_sql(), 'model_name ' ~ dbt.type_string() ~ ', sql_text ' ~ dbt.type_string()) -%}
    {%- endif -%}
{%- endmacro %}

{% macro kept_sql() -%}
    {{ return(api.Relation.create(database=target.get('database'), schema='journeys', identifier='kept_sql')) }}
{%- endmacro %}
