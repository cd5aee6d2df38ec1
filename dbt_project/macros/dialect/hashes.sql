{# Hashes, per engine. Only hashes that are stable across versions and engines. #}

{# SHA-256 of a text, 64 lower-case hex digits. #}
{% macro sha256_hex(text) -%}
    {{ return(adapter.dispatch('sha256_hex', 'millrace')(text)) }}
{%- endmacro %}

{% macro duckdb__sha256_hex(text) -%}
    sha256({{ text }})
{%- endmacro %}

{% macro spark__sha256_hex(text) -%}
    sha2({{ text }}, 256)
{%- endmacro %}

{# 63 bits of the MD5 of a text as a bigint: a join key that costs a quarter of a text key.
   The first eight bytes, read little-endian, without the sign bit. #}
{% macro hash_bigint(text) -%}
    {{ return(adapter.dispatch('hash_bigint', 'millrace')(text)) }}
{%- endmacro %}

{% macro duckdb__hash_bigint(text) -%}
    cast(md5_number({{ text }}) & 9223372036854775807 as bigint)
{%- endmacro %}

{% macro spark__hash_bigint(text) -%}
    (
        ({{ spark_bytes(text, [8, 7, 6, 5]) }} & 2147483647) * 4294967296
        + {{ spark_bytes(text, [4, 3, 2, 1]) }}
    )
{%- endmacro %}

{# These bytes of the MD5 of a text, counted from 1, read as one number. #}
{% macro spark_bytes(text, places) -%}
    cast(conv({% for place in places %}substring(md5({{ text }}), {{ 2 * place - 1 }}, 2){{ ' || ' if not loop.last }}{% endfor %}, 16, 10) as bigint)
{%- endmacro %}

{# A text of at most 15 hex digits as the number it writes. #}
{% macro hex_bigint(digits) -%}
    {{ return(adapter.dispatch('hex_bigint', 'millrace')(digits)) }}
{%- endmacro %}

{% macro duckdb__hex_bigint(digits) -%}
    cast('0x' || {{ digits }} as bigint)
{%- endmacro %}

{% macro spark__hex_bigint(digits) -%}
    cast(conv({{ digits }}, 16, 10) as bigint)
{%- endmacro %}
