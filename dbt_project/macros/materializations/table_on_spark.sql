{#
  Tables on Spark. dbt-spark drops a table before it makes it anew, so a model could not read what it held; here such a
  one is made beside the old one first.
#}
{% materialization table, adapter='spark' %}
    {%- set held = adapter.get_relation(this.database, this.schema, this.identifier) -%}
    {%- set built = this.incorporate(type='table') -%}
    {%- set reads_itself = held is not none and (this | string) in sql -%}
    {{ run_hooks(pre_hooks) }}
    {%- if reads_itself -%}
        {%- call create_scratch('next') -%}{{ sql }}{%- endcall -%}
    {%- endif -%}
    {%- if held is not none -%}
        {%- do adapter.drop_relation(held) -%}
    {%- endif -%}
    {%- call statement('main') -%}
        {{ create_table_as(False, built, 'select * from ' ~ scratch('next') if reads_itself else sql) }}
    {%- endcall -%}
    {%- if reads_itself -%}
        {%- do drop_scratch(['next']) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [built]}) }}
{% endmaterialization %}
