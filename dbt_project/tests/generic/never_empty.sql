{# None of these columns is ever empty. One question for all of them. #}
{% test never_empty(model, columns) %}

select {{ columns | join(', ') }}
from {{ model }}
where
    {% for column in columns %}
    {{ 'or ' if not loop.first }}{{ column }} is null
    {% endfor %}

{% endtest %}
