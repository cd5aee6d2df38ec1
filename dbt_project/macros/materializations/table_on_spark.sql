{#
  Tables on Spark.

  dbt-spark drops a table before it makes it anew, so a model could not read what it held; here such a one is made beside
  the old one first. And Spark computes a step of a query again for each place that reads it, which over a chain of steps
  that are each read twice doubles at every one of them. Those that a model names in `meta.kept_steps` become tables for
  as long as the model runs.
#}
{% materialization table, adapter='spark' %}
    {%- set held = adapter.get_relation(this.database, this.schema, this.identifier) -%}
    {%- set built = this.incorporate(type='table') -%}
    {%- set steps = config.get('meta', {}).get('kept_steps', []) -%}
    {%- set reads_itself = held is not none and (this | string) in sql -%}
    {{ run_hooks(pre_hooks) }}
    {%- set query = keep_steps(sql, steps) -%}
    {%- if reads_itself -%}
        {%- call create_scratch('next') -%}{{ query }}{%- endcall -%}
        {%- set query = 'select * from ' ~ scratch('next') -%}
    {%- endif -%}
    {%- if held is not none -%}
        {%- do adapter.drop_relation(held) -%}
    {%- endif -%}
    {%- call statement('main') -%}
        {{ create_table_as(False, built, query) }}
    {%- endcall -%}
    {%- do drop_scratch(steps + (['next'] if reads_itself else [])) -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [built]}) }}
{% endmaterialization %}

{# The query with these of its steps computed: each stands between a line `name as (` and a line that is `),` or `)`. #}
{% macro keep_steps(sql, steps) -%}
    {%- set state = namespace(sql=sql) -%}
    {%- for step in steps -%}
        {%- set found = modules.re.search('(?ms)^' ~ step ~ ' as \\(\n(.*?)^\\)(?=,?$)', state.sql) -%}
        {%- if not found -%}
            {{ exceptions.raise_compiler_error(model.name ~ ' keeps the step ' ~ step ~ ', which it does not have.') }}
        {%- endif -%}
        {%- call create_scratch(step) -%}{{ state.sql[:found.end()] }} select * from {{ step }}{%- endcall -%}
        {%- set state.sql = state.sql[:found.start(1)] ~ 'select * from ' ~ scratch(step) ~ '\n' ~ state.sql[found.end(1):] -%}
    {%- endfor -%}
    {{ return(state.sql) }}
{%- endmacro %}
