{#
  Whether the identity graph has to be solved anew, all of it: at the first refresh, when a rule was edited whose edits
  are not followed row by row, or when one of its stored tables is missing. The last of them carries the marks; none of
  them is ever dropped, because the others are brought up to date by what it holds.
#}
{% macro solves_anew() -%}
    {%- set tables = [
        'int_resolved_identifiers',
        'int_set_profiles',
        'int_timed_records',
        'int_identity_edges',
        'fct_identity_demotions',
        'int_hub_suspects',
        'int_set_members',
        'int_identifier_sets',
    ] -%}
    {%- set missing = [] -%}
    {%- for name in (tables if execute else []) -%}
        {%- if stored_relation(name) is none -%}
            {%- do missing.append(name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set marks = marks_of('int_identifier_sets') if execute and not flags.FULL_REFRESH else [] -%}
    {{ return(missing | length > 0 or marks | length == 0) }}
{%- endmacro %}

{# How far the graph has read an input. #}
{% macro seen_unless_anew(input_name) -%}
    {{ return(0 if solves_anew() else seen('int_identifier_sets', input_name)) }}
{%- endmacro %}
