with

affected_sets as (select * from {{ ref('int_affected_sets') }}),

changed_members as (select * from {{ ref('int_changed_members') }}),

hub_changes as (select * from {{ ref('int_hub_changes') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

held_members as (
    {{ held_columns('int_set_members', {
        'identifier_set_id': 'bigint',
        'source_id': dbt.type_string(),
        'identifier_id': 'bigint',
        'identifier_type': dbt.type_string(),
        'identifier_value': dbt.type_string(),
        'is_given': 'boolean',
        'is_previous': 'boolean',
        'is_blocked': 'boolean',
        'is_usable': 'boolean',
        'centre_id': 'bigint',
        'centre_type': dbt.type_string(),
    }) }}
),

held_suspects as (
    {{ held_columns('int_hub_suspects', {
        'identifier_id': 'bigint',
        'is_hub': 'boolean',
    }) }}
),

hubs as (
    select identifier_id from hub_changes
    where is_hub
    union
    select held_suspects.identifier_id
    from held_suspects
    left join hub_changes on held_suspects.identifier_id = hub_changes.identifier_id
    where held_suspects.is_hub and hub_changes.identifier_id is null
),

members as (
    select
        held_members.identifier_set_id,
        held_members.source_id,
        held_members.identifier_id,
        held_members.identifier_type,
        held_members.identifier_value,
        held_members.is_given,
        held_members.is_previous,
        held_members.is_blocked,
        held_members.is_usable,
        held_members.centre_id,
        held_members.centre_type,
        false as is_former
    from held_members
    inner join affected_sets
        on held_members.identifier_set_id = affected_sets.identifier_set_id
    left join (select distinct identifier_set_id from changed_members) as changed
        on held_members.identifier_set_id = changed.identifier_set_id
    where changed.identifier_set_id is null
    union all
    select
        identifier_set_id,
        source_id,
        identifier_id,
        identifier_type,
        identifier_value,
        is_given,
        is_previous,
        is_blocked,
        is_usable,
        centre_id,
        centre_type,
        is_former
    from changed_members
),

ranked as (
    select
        members.*,
        identifier_rules.type_rank,
        centre_rules.type_rank as centre_rank,
        hubs.identifier_id is not null as is_hub,
        members.is_usable and not members.is_former and hubs.identifier_id is null
            as is_linking
    from members
    left join identifier_rules
        on members.identifier_type = identifier_rules.identifier_type
    left join identifier_rules as centre_rules
        on members.centre_type = centre_rules.identifier_type
    left join hubs on members.identifier_id = hubs.identifier_id
),

-- Without its hubs a record may have another centre, so that a junk e-mail address does
-- not take its neighbours' edges with it.
hubless_centres as (
    select
        ranked.identifier_set_id,
        {{ min_by(
            'ranked.identifier_id',
            ['ranked.is_previous', 'ranked.type_rank', 'ranked.identifier_id'],
        ) }} as identifier_id,
        {{ min_by(
            'ranked.type_rank',
            ['ranked.is_previous', 'ranked.type_rank', 'ranked.identifier_id'],
        ) }} as type_rank
    from ranked
    inner join (
        select distinct with_hub.identifier_set_id
        from ranked as with_hub
        where with_hub.is_hub and not with_hub.is_former
    ) as hubbed on ranked.identifier_set_id = hubbed.identifier_set_id
    where ranked.is_linking
    group by ranked.identifier_set_id
),

-- What is unusable here may be somebody elsewhere, so it is no key of what is solved
-- anew: identifier_id and node_a are those keys, member_id is what is in the set.
final as (
    select
        ranked.identifier_set_id,
        ranked.source_id,
        ranked.identifier_id as member_id,
        case when ranked.is_usable then ranked.identifier_id end as identifier_id,
        case when ranked.is_usable then ranked.identifier_id end as node_a,
        ranked.identifier_type,
        ranked.identifier_value,
        ranked.type_rank,
        ranked.is_given,
        ranked.is_previous,
        ranked.is_blocked,
        ranked.is_usable,
        ranked.is_former,
        ranked.is_hub,
        ranked.is_linking,
        ranked.centre_id,
        ranked.centre_type,
        case
            when ranked.is_linking
                then coalesce(hubless_centres.identifier_id, ranked.centre_id)
        end as star_id,
        case
            when ranked.is_linking
                then coalesce(hubless_centres.type_rank, ranked.centre_rank)
        end as star_rank
    from ranked
    left join hubless_centres
        on ranked.identifier_set_id = hubless_centres.identifier_set_id
)

select * from final
