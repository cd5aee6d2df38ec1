{#
  The one incremental strategy: recompute whole keys.

  A model of this strategy names, in its config, the key whose rows belong together (`unique_key`) and, in
  `meta.touched`, a relation with that key as a column: every key whose rows may be other than those held. The rows of
  those keys are deleted, the rows that the model returned are inserted, in one transaction. A key that no longer has
  rows disappears; a touched key that did not change is written again as it was.
#}
{% macro get_incremental_replace_keys_sql(arg_dict) -%}
    {%- set key = arg_dict['unique_key'] -%}
    {%- set touched = config.require('meta').get('touched') -%}
    {%- if not key or not touched -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ ' is incremental by replace_keys: its config needs unique_key and meta.touched.'
        ) }}
    {%- endif -%}
    {{ return(replace_keys(
        arg_dict['target_relation'],
        arg_dict['temp_relation'],
        arg_dict['dest_columns'] | map(attribute='quoted') | join(', '),
        ref(touched),
        key,
    )) }}
{%- endmacro %}
