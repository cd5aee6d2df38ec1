with

affected_sets as (select * from {{ ref('int_affected_sets') }}),

affected_members as (select * from {{ ref('int_affected_members') }}),

never_together as (select * from {{ ref('int_never_together') }}),

rays as (
    select
        affected_sets.*,
        least(affected_members.star_id, affected_members.identifier_id) as node_a,
        greatest(affected_members.star_id, affected_members.identifier_id) as node_b,
        case
            when affected_members.star_id < affected_members.identifier_id
                then affected_members.star_rank
            else affected_members.type_rank
        end as rank_a,
        case
            when affected_members.star_id < affected_members.identifier_id
                then affected_members.type_rank
            else affected_members.star_rank
        end as rank_b
    from affected_members
    inner join affected_sets
        on affected_members.identifier_set_id = affected_sets.identifier_set_id
    where
        affected_members.is_linking
        and affected_members.star_id <> affected_members.identifier_id
),

evidence as (
    select
        node_a,
        node_b,
        min(rank_a) as rank_a,
        min(rank_b) as rank_b,
        min(first_record_id) as first_record_id,
        min(first_seen_at) as first_seen_at,
        {{ min_by('earliest_record_id', ['first_seen_at', 'earliest_record_id']) }}
        filter (where first_record_id is not null) as earliest_record_id,
        {{ min_by('source_id', ['first_seen_at', 'earliest_record_id']) }}
        filter (where first_record_id is not null) as earliest_source_id,
        max(last_seen_at) as last_seen_at,
        {{ max_by('latest_record_id', ['last_seen_at', 'latest_record_id']) }}
        filter (where first_record_id is not null) as latest_record_id,
        {{ max_by('source_id', ['last_seen_at', 'latest_record_id']) }}
        filter (where first_record_id is not null) as latest_source_id
    from rays
    group by node_a, node_b
),

-- What was withdrawn, or must never be together, is no edge, but what is decided on the
-- one side may still depend on the other.
final as (
    select
        evidence.*,
        evidence.first_record_id is not null
        and never_together.node_a is null as is_edge
    from evidence
    left join never_together
        on
            evidence.node_a = never_together.node_a
            and evidence.node_b = never_together.node_b
)

select * from final
