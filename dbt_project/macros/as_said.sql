{# The one order of what is said at a path of a profile: time, then the more believed source last, then the record, then
   the place within it. Who asks for it in these words in the partitions of int_attribute_statements sorts nothing anew. #}
{% macro as_said() -%}
    partition by profile_id, path, is_plain
    order by occurred_at asc, source_priority desc, record_id asc, place asc, sent_path asc
{%- endmacro %}
