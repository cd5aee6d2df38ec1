{{ config(materialized='view') }}

with

identifiers as (select * from {{ ref('dim_identifiers') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

identity_edges as (select * from {{ ref('int_identity_edges') }}),

demotions as (select * from {{ ref('fct_identity_demotions') }}),

candidate_identifiers as (select * from {{ ref('int_candidate_identifiers') }}),

identifier_sets as (select * from {{ ref('int_identifier_sets') }}),

always_together as (select * from {{ ref('int_always_together') }}),

always_pairs as (select * from {{ ref('always_together') }}),

never_pairs as (select * from {{ ref('never_together') }}),

ranked as (
    select
        identifiers.*,
        identifier_rules.type_rank,
        always_together.component_id
    from identifiers
    inner join identifier_rules
        on identifiers.identifier_type = identifier_rules.identifier_type
    left join always_together on identifiers.identifier_id = always_together.node_id
),

-- What the rules decide about: an identifier, or all that a person declared to be one,
-- which are as strong as the strongest of them.
declared_nodes as (
    select
        component_id,
        min(identifier_id) as node_id,
        min(type_rank) as node_rank
    from ranked
    where component_id is not null
    group by component_id
),

nodes as (
    select
        ranked.identifier_id,
        ranked.profile_id,
        ranked.is_shared,
        coalesce(declared_nodes.node_id, ranked.identifier_id) as node_id,
        coalesce(declared_nodes.node_rank, ranked.type_rank) as node_rank
    from ranked
    left join declared_nodes on ranked.component_id = declared_nodes.component_id
),

-- Demotions name one identifier of what they are about.
demoted as (
    select
        demotions.demotion,
        demotions.rule,
        these.node_id,
        least(these.node_id, others.node_id) as node_a,
        greatest(these.node_id, others.node_id) as node_b
    from demotions
    inner join nodes as these on demotions.identifier_id = these.identifier_id
    left join nodes as others on demotions.other_id = others.identifier_id
),

declared as (
    select
        {{ hash_bigint("identifier_type_a || ':' || identifier_value_a") }} as id_a,
        identifier_type_a as type_a,
        identifier_value_a as value_a,
        {{ hash_bigint("identifier_type_b || ':' || identifier_value_b") }} as id_b,
        identifier_type_b as type_b,
        identifier_value_b as value_b,
        'always together' as origin
    from always_pairs
    union all
    select
        {{ hash_bigint("identifier_type_a || ':' || identifier_value_a") }} as id_a,
        identifier_type_a as type_a,
        identifier_value_a as value_a,
        {{ hash_bigint("identifier_type_b || ':' || identifier_value_b") }} as id_b,
        identifier_type_b as type_b,
        identifier_value_b as value_b,
        'never together' as origin
    from never_pairs
),

-- A hub is blocked, so no edge is left of it: whatever was in a record with it.
hub_sets as (
    select
        least(hubs.identifier_id, others.identifier_id) as node_a,
        greatest(hubs.identifier_id, others.identifier_id) as node_b,
        identifier_sets.*
    from demotions
    inner join candidate_identifiers as hubs
        on demotions.identifier_id = hubs.identifier_id
    inner join candidate_identifiers as others
        on
            hubs.identifier_set_id = others.identifier_set_id
            and hubs.identifier_id <> others.identifier_id
    inner join identifier_sets
        on hubs.identifier_set_id = identifier_sets.identifier_set_id
    where demotions.demotion = 'hub'
),

hub_edges as (
    select
        node_a,
        node_b,
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
    from hub_sets
    group by node_a, node_b
),

-- What a rule says of an edge between two identifiers of one record. A shared one
-- carries no edge; one that keeps away from a profile loses those to anything stronger.
judged as (
    select
        identity_edges.*,
        a.profile_id,
        case
            when a.node_id = b.node_id then null
            when shared.node_id is not null then 'shared'
            when pair.node_id is not null then 'edge'
            when separate.node_id is not null then 'separate'
        end as demotion,
        coalesce(shared.rule, pair.rule, separate.rule) as rule
    from identity_edges
    inner join nodes as a on identity_edges.node_a = a.identifier_id
    inner join nodes as b on identity_edges.node_b = b.identifier_id
    left join demoted as shared
        on
            shared.demotion = 'shared'
            and case when a.is_shared then a.node_id when b.is_shared then b.node_id end
            = shared.node_id
    left join demoted as pair
        on
            pair.demotion = 'edge'
            and least(a.node_id, b.node_id) = pair.node_a
            and greatest(a.node_id, b.node_id) = pair.node_b
    left join demoted as separate
        on
            separate.demotion = 'separate'
            and a.node_rank <> b.node_rank
            and case when a.node_rank > b.node_rank then a.node_id else b.node_id end
            = separate.node_id
),

edges as (
    select
        node_a,
        node_b,
        'record' as origin,
        demotion,
        case when demotion is null then 'one record' else rule end as rule,
        case when demotion is null then profile_id end as profile_id,
        first_seen_at,
        earliest_record_id,
        earliest_source_id,
        last_seen_at,
        latest_record_id,
        latest_source_id
    from judged
    union all
    select
        node_a,
        node_b,
        'record' as origin,
        'hub' as demotion,
        'hub' as rule,
        null as profile_id,
        first_seen_at,
        earliest_record_id,
        earliest_source_id,
        last_seen_at,
        latest_record_id,
        latest_source_id
    from hub_edges
    union all
    select distinct
        least(declared.id_a, declared.id_b) as node_a,
        greatest(declared.id_a, declared.id_b) as node_b,
        declared.origin,
        case when declared.origin = 'never together' then declared.origin end
            as demotion,
        declared.origin as rule,
        case when declared.origin = 'always together' then nodes.profile_id end
            as profile_id,
        null as first_seen_at,
        null as earliest_record_id,
        null as earliest_source_id,
        null as last_seen_at,
        null as latest_record_id,
        null as latest_source_id
    from declared
    left join nodes on declared.id_a = nodes.identifier_id
),

-- A hub is nobody's identifier, and what a person declared need not have been seen.
names as (
    select
        identifier_id,
        identifier_type,
        identifier_value
    from identifiers
    union
    select
        identifier_id,
        identifier_type,
        identifier_value
    from demotions
    where demotion = 'hub'
    union
    select
        id_a as identifier_id,
        type_a as identifier_type,
        value_a as identifier_value
    from declared
    union
    select
        id_b as identifier_id,
        type_b as identifier_type,
        value_b as identifier_value
    from declared
),

final as (
    select
        edges.node_a as identifier_id_a,
        a.identifier_type as identifier_type_a,
        a.identifier_value as identifier_value_a,
        edges.node_b as identifier_id_b,
        b.identifier_type as identifier_type_b,
        b.identifier_value as identifier_value_b,
        edges.demotion is null as is_live,
        edges.origin,
        edges.demotion,
        edges.rule,
        edges.profile_id,
        edges.first_seen_at,
        edges.earliest_record_id,
        edges.earliest_source_id,
        edges.last_seen_at,
        edges.latest_record_id,
        edges.latest_source_id
    from edges
    inner join names as a on edges.node_a = a.identifier_id
    inner join names as b on edges.node_b = b.identifier_id
)

select * from final
