with

candidate_edges as (select * from {{ ref('int_candidate_edges') }}),

candidate_identifiers as (select * from {{ ref('int_candidate_identifiers') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

neighbours as (
    select
        node_a as identifier_id,
        node_b as neighbour_id
    from candidate_edges
    union
    select
        node_b as identifier_id,
        node_a as neighbour_id
    from candidate_edges
),

-- Only an identifier with many neighbours can be a hub.
suspects as (
    select
        identifier_id,
        count(*) as degree
    from neighbours
    group by identifier_id
    having count(*) > {{ var('hub_degree') }}
),

strong_identifiers as (
    select distinct candidate_identifiers.identifier_id
    from candidate_identifiers
    inner join identifier_rules
        on candidate_identifiers.identifier_type = identifier_rules.identifier_type
    where identifier_rules.priority <= 2
),

reach as (
    select
        identifier_id,
        neighbour_id
    from suspects
    inner join neighbours using (identifier_id)
),

-- The strong neighbours of everything within one hop of a suspect. More than hub_limit
-- + 2 of one node decide the question, so no node lists more.
strong_neighbours as (
    select
        identifier_id,
        neighbour_id
    from (
        select
            neighbours.identifier_id,
            neighbours.neighbour_id,
            row_number() over (
                partition by neighbours.identifier_id
                order by neighbours.neighbour_id asc
            ) as place
        from neighbours
        inner join (
            select neighbour_id as identifier_id from reach
            union
            select identifier_id from suspects
        ) as near_suspects
            on neighbours.identifier_id = near_suspects.identifier_id
        inner join strong_identifiers
            on neighbours.neighbour_id = strong_identifiers.identifier_id
    ) as placed
    where place <= {{ var('hub_limit') }} + 2
),

within_two_hops as (
    select
        identifier_id,
        neighbour_id as strong_id
    from strong_neighbours
    union
    select
        reach.identifier_id,
        strong_neighbours.neighbour_id as strong_id
    from reach
    inner join strong_neighbours on reach.neighbour_id = strong_neighbours.identifier_id
),

-- Who is near more people than any one person can be is nobody in particular.
final as (
    select
        suspects.identifier_id,
        suspects.degree,
        count(*) as strong_count
    from suspects
    inner join within_two_hops on suspects.identifier_id = within_two_hops.identifier_id
    where within_two_hops.strong_id <> suspects.identifier_id
    group by suspects.identifier_id, suspects.degree
    having count(*) > {{ var('hub_limit') }}
)

select * from final
