with

records as (select * from {{ ref('int_records') }}),

-- A person's records repeat the same few sets of identifiers, so everything about
-- identity is computed per distinct set and looked up by records afterwards.
final as (
    select
        identifier_set_id,
        min(source_id) as source_id,
        any_value(identifiers) as identifiers,
        min(record_id) as first_record_id,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at,
        {{ min_by('record_id', ['occurred_at', 'record_id']) }} as earliest_record_id,
        {{ max_by('record_id', ['occurred_at', 'record_id']) }} as latest_record_id
    from records
    where identifier_set_id is not null
    group by identifier_set_id
)

select * from final
