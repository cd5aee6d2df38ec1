{#
  How far each incremental model has read each of its inputs.

  An input is a stored model with a column that only grows: `_load_id`, or `_touch_id` of int_profile_touches. After
  a model was built, in the same transaction, its post-hook `remember` writes the largest value the input holds. At
  the next run `seen` says what was written, so a model processes exactly what came since, and a run that was killed
  anywhere is made good by the next one.

  The rules a table was built by are remembered beside it: the files of the model and of everything it is made from,
  the macros, the vars and the declared sources. When any of them was edited, the table is built as by --full-refresh,
  so it never mixes two versions of a rule, and an edited model may have other columns. A seed whose edits are
  found row by row, and touch the profiles they concern, says `edits_are_touches: true` in its meta and is no rule here;
  a model that finds the edits of a seed row by row for itself names it in `finds_edits_of` in its own meta.
#}

{# The largest value of the input's column that the model has incorporated; 0 when it has to begin anew. #}
{% macro seen(model_name, input_name, column='_load_id') -%}
    {%- if not execute or flags.FULL_REFRESH -%}
        {{ return(0) }}
    {%- endif -%}
    {%- for mark in (marks_of(model_name) if execute else []) -%}
        {%- if mark['input_name'] == input_name and mark['column_name'] == column -%}
            {{ return(mark['mark'] | int) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(0) }}
{%- endmacro %}

{# What the model has incorporated by the rules of now; nothing when it was not built, or by other rules. #}
{% macro marks_of(model_name) -%}
    {%- set kept = rows_of_model(marks_relation(), model_name) -%}
    {%- if kept is none or stored_relation(model_name) is none -%}
        {{ return([]) }}
    {%- endif -%}
    {{ return(run_query(
        "select input_name, column_name, mark from " ~ kept ~ " where rules_id = '" ~ rules_id(model_name) ~ "'"
    ).rows) }}
{%- endmacro %}

{# dbt's own question, with one more reason to say yes. A model whose config says full_refresh: false never is. #}
{% macro should_full_refresh() -%}
    {%- set wanted = config.get('full_refresh') -%}
    {%- if wanted is not none -%}
        {{ return(wanted) }}
    {%- endif -%}
    {{ return(
        flags.FULL_REFRESH
        or (execute and model.config.materialized == 'incremental' and marks_of(model.name) | length == 0)
    ) }}
{%- endmacro %}

{# A model's post-hook: what it has now incorporated. `inputs` maps the input's name to its growing column. #}
{% macro remember(inputs) -%}
    {%- if execute -%}
        {%- do check_touched_now(config.get('meta', {}).get('touched')) -%}
        {%- set rules = rules_id(model.name) -%}
        {%- set rows = [] -%}
        {%- for input_name, column in inputs.items() -%}
            {%- do rows.append(
                "select '" ~ model.name ~ "' as model_name, '" ~ input_name ~ "' as input_name, '" ~ column
                ~ "' as column_name, coalesce(max(" ~ column ~ "), 0) as mark, '" ~ rules ~ "' as rules_id from " ~ relation_of(input_name)
            ) -%}
        {%- endfor -%}
        {%- do replace_rows_of_model(marks_relation(), rows) -%}
    {%- endif -%}
{%- endmacro %}

{# The post-hook of a relation of touched keys: that it was evaluated in this run. #}
{% macro remember_run() -%}
    {%- if execute -%}
        {%- do replace_rows_of_model(marks_relation(), [
            "select '" ~ model.name ~ "' as model_name, 'run' as input_name, 'run' as column_name, 0 as mark, '" ~ invocation_id ~ "' as rules_id"
        ]) -%}
    {%- endif -%}
{%- endmacro %}

{# Marks say what was incorporated; keys that were found in another run do not say what came since. #}
{% macro check_touched_now(touched) -%}
    {%- if touched -%}
        {%- set kept = rows_of_model(marks_relation(), touched) -%}
        {%- set found = run_query("select 1 from " ~ kept ~ " where rules_id = '" ~ invocation_id ~ "'").rows if kept else [] -%}
        {%- if found | length == 0 -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ ' recomputes the keys that ' ~ touched ~ ' finds, which did not run with it. Nothing was changed; '
                ~ 'run it with all it needs: --select +' ~ model.name
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# Before a run: the table of marks, which two models that are built side by side could not both create. #}
{% macro create_marks() -%}
    {%- if execute -%}
        {%- do create_table_of_models(
            marks_relation(),
            'model_name varchar(200), input_name varchar(200), column_name varchar(200), mark bigint, rules_id varchar(64)'
        ) -%}
    {%- endif -%}
{%- endmacro %}

{# A hash of everything that decides what a model makes of its inputs; found once per model and run. #}
{% macro rules_id(model_name) -%}
    {%- set known = graph.setdefault('rules_ids', {}) -%}
    {%- if model_name not in known -%}
        {%- do known.update({model_name: hash_of_rules(model_name)}) -%}
    {%- endif -%}
    {{ return(known[model_name]) }}
{%- endmacro %}

{% macro hash_of_rules(model_name) -%}
    {%- set found = namespace(ids=[node_named(model_name).unique_id], next=0) -%}
    {%- set found_by_itself = node_named(model_name).config.meta.get('finds_edits_of') or [] -%}
    {%- for _ in range(graph.nodes | length) -%}
        {%- if found.next < found.ids | length -%}
            {%- for parent in graph.nodes[found.ids[found.next]].depends_on.nodes or [] -%}
                {%- if parent in graph.nodes and parent not in found.ids and not graph.nodes[parent].config.meta.edits_are_touches and graph.nodes[parent].name not in found_by_itself -%}
                    {%- do found.ids.append(parent) -%}
                {%- endif -%}
            {%- endfor -%}
            {%- set found.next = found.next + 1 -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set parts = [] -%}
    {%- for id in found.ids | sort -%}
        {%- do parts.append(id ~ graph.nodes[id].checksum.checksum) -%}
    {%- endfor -%}
    {%- for name in rule_vars() -%}
        {%- do parts.append(name ~ '=' ~ var(name)) -%}
    {%- endfor -%}
    {{ return(local_md5((parts + [macro_texts(), declared_sources()]) | join('|'))) }}
{%- endmacro %}

{# Every var of dbt_project.yml but as_of, which no incremental model may read. A test compares. #}
{% macro rule_vars() -%}
    {{ return([
        'session_gap_minutes',
        'session_cap_hours',
        'session_split_on_campaign',
        'engaged_after_seconds',
        'attribution_window_days',
        'attribution_half_life_days',
        'marketing_attribution_model',
        'hub_degree',
        'hub_limit',
        'abandoned_after_hours',
    ]) }}
{%- endmacro %}

{% macro macro_texts() -%}
    {%- set texts = [] -%}
    {%- for name, generator in context['millrace'].items() -%}
        {%- do texts.append(name ~ generator.macro.macro_sql) -%}
    {%- endfor -%}
    {{ return(texts | sort | join('')) }}
{%- endmacro %}

{# What sources/*.yml say is copied into raw.sources at each refresh, before dbt runs; views read it. #}
{% macro declared_sources() -%}
    {%- set relation = adapter.get_relation(target.get('database'), 'raw', 'sources') -%}
    {%- if relation is none -%}
        {{ return('') }}
    {%- endif -%}
    {%- set texts = [] -%}
    {%- for row in run_query('select * from ' ~ relation ~ ' order by source_id').rows -%}
        {%- do texts.append(row.values() | join(',')) -%}
    {%- endfor -%}
    {{ return(texts | join(';')) }}
{%- endmacro %}

{% macro node_named(model_name) -%}
    {%- for node in graph.nodes.values() -%}
        {%- if node.resource_type in ('model', 'seed') and node.name == model_name -%}
            {{ return(node) }}
        {%- endif -%}
    {%- endfor -%}
    {{ exceptions.raise_compiler_error('There is no model ' ~ model_name ~ ', which ' ~ model.name ~ ' reads incrementally.') }}
{%- endmacro %}

{% macro relation_of(model_name) -%}
    {%- set node = node_named(model_name) -%}
    {{ return(api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias)) }}
{%- endmacro %}

{# The relation as it is in the warehouse, or none. #}
{% macro stored_relation(model_name) -%}
    {%- set relation = relation_of(model_name) -%}
    {{ return(adapter.get_relation(relation.database, relation.schema, relation.identifier)) }}
{%- endmacro %}

{% macro marks_relation() -%}
    {{ return(api.Relation.create(database=target.get('database'), schema='staging', identifier='incremental_marks')) }}
{%- endmacro %}
