{# Lists, per engine. #}

{# Item n of a list, counted from 1; NULL past the end. #}
{% macro nth(list, n) -%}
    {{ return(adapter.dispatch('nth', 'millrace')(list, n)) }}
{%- endmacro %}

{% macro duckdb__nth(list, n) -%}
    {{ list }}[{{ n }}]
{%- endmacro %}

{% macro spark__nth(list, n) -%}
    try_element_at({{ list }}, {{ n }})
{%- endmacro %}

{# One row per item, to stand last in FROM: from t {{ each('t.items', 'item') }}. Read it as item.item. Sail cannot ask
   for it in the WHERE beside. #}
{% macro each(list, name) -%}
    {{ return(adapter.dispatch('each', 'millrace')(list, name)) }}
{%- endmacro %}

{% macro duckdb__each(list, name) -%}
    cross join unnest({{ list }}) as {{ name }} ({{ name }})
{%- endmacro %}

{% macro spark__each(list, name) -%}
    lateral view explode({{ list }}) {{ name }} as {{ name }}
{%- endmacro %}
