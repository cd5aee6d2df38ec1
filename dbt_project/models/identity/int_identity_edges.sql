with

set_identifiers as (select * from {{ ref('int_set_identifiers') }}),

identifier_sets as (select * from {{ ref('int_identifier_sets') }}),

never_together as (select * from {{ ref('int_never_together') }}),

-- The strongest identifier of a record is the centre of its star; in an alias, the
-- previous id never is.
centres as (
    select
        identifier_set_id,
        {{ min_by('identifier_id', ['is_previous', 'type_rank', 'identifier_id']) }}
            as identifier_id
    from set_identifiers
    group by identifier_set_id
    having count(*) > 1
),

rays as (
    select
        identifier_sets.*,
        least(centres.identifier_id, set_identifiers.identifier_id) as node_a,
        greatest(centres.identifier_id, set_identifiers.identifier_id) as node_b
    from centres
    inner join set_identifiers
        on
            centres.identifier_set_id = set_identifiers.identifier_set_id
            and centres.identifier_id <> set_identifiers.identifier_id
    inner join identifier_sets
        on centres.identifier_set_id = identifier_sets.identifier_set_id
),

evidence as (
    select
        node_a,
        node_b,
        min(first_record_id) as first_record_id,
        min(first_seen_at) as first_seen_at,
        {{ min_by('earliest_record_id', ['first_seen_at', 'earliest_record_id']) }}
            as earliest_record_id,
        {{ min_by('source_id', ['first_seen_at', 'earliest_record_id']) }}
            as earliest_source_id,
        max(last_seen_at) as last_seen_at,
        {{ max_by('latest_record_id', ['last_seen_at', 'latest_record_id']) }}
            as latest_record_id,
        {{ max_by('source_id', ['last_seen_at', 'latest_record_id']) }}
            as latest_source_id
    from rays
    group by node_a, node_b
),

final as (
    select evidence.*
    from evidence
    left join never_together
        on
            evidence.node_a = never_together.node_a
            and evidence.node_b = never_together.node_b
    where never_together.node_a is null
)

select * from final
