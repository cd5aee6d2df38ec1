{{ config(materialized='view') }}

with

changes as (select * from {{ ref('fct_attribute_changes') }}),

-- The value that stands at as_of: the last change until then, unless it removed the
-- attribute.
final as (
    select
        profile_id,
        path,
        new_value as value,
        {{ json_text('new_value', '$') }} as value_text,
        changed_at,
        source_id,
        record_id
    from changes
    where
        new_value is not null
        and changed_at <= {{ as_of() }}
        and (superseded_at is null or superseded_at > {{ as_of() }})
)

select * from final
