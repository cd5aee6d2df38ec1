with

identifiers as (select * from {{ ref('int_resolved_identifiers') }}),

ledger as (select * from {{ ref('int_identity_ledger') }}),

identity_changes as (select * from {{ ref('stg_landing__identity_changes') }}),

identity_edges as (select * from {{ ref('int_identity_edges') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

-- All identifiers are compared, by as little of them as that takes.
differing as (
    select
        identifiers.identifier_id,
        ledger.profile_id as previous_profile_id
    from identifiers
    left join ledger on identifiers.identifier_id = ledger.identifier_id
    where ledger.profile_id is null or ledger.profile_id <> identifiers.profile_id
),

changed as (
    select
        identifiers.identifier_id,
        identifiers.identifier_type,
        identifiers.identifier_value,
        identifiers.first_record_id,
        identifiers.profile_id,
        differing.previous_profile_id
    from differing
    inner join identifiers on differing.identifier_id = identifiers.identifier_id
),

new_profiles as (select distinct profile_id from changed),

previous_profiles as (
    select distinct previous_profile_id as profile_id
    from changed
    where previous_profile_id is not null
),

known_profiles as (
    select distinct identity_changes.profile_id
    from identity_changes
    inner join new_profiles on identity_changes.profile_id = new_profiles.profile_id
),

-- The evidence between what was one profile before and anything else of the profile
-- now: what landed first of it caused the change.
crossing as (
    select
        a.previous_profile_id,
        a.profile_id,
        min(edges.first_record_id) as record_id
    from (
        select
            changed.identifier_id,
            identity_edges.node_b as neighbour_id,
            identity_edges.first_record_id
        from changed
        inner join identity_edges on changed.identifier_id = identity_edges.node_a
        where changed.previous_profile_id is not null
        union all
        select
            changed.identifier_id,
            identity_edges.node_a as neighbour_id,
            identity_edges.first_record_id
        from changed
        inner join identity_edges on changed.identifier_id = identity_edges.node_b
        where changed.previous_profile_id is not null
    ) as edges
    inner join changed as a on edges.identifier_id = a.identifier_id
    inner join identifiers as b on edges.neighbour_id = b.identifier_id
    left join changed as changed_too on b.identifier_id = changed_too.identifier_id
    where
        a.profile_id = b.profile_id
        and a.previous_profile_id
        <> case
            when changed_too.identifier_id is null then b.profile_id
            else coalesce(changed_too.previous_profile_id, '')
        end
    group by a.previous_profile_id, a.profile_id
),

-- Where the identifier is that gave a profile its id, and of what kind it is.
was as (
    select
        identifiers.own_profile_id as profile_id,
        identifiers.profile_id as now_profile_id,
        identifier_rules.is_anchor
    from identifiers
    inner join previous_profiles
        on identifiers.own_profile_id = previous_profiles.profile_id
    inner join identifier_rules
        on identifiers.identifier_type = identifier_rules.identifier_type
),

-- The same profile under another id was promoted when it was a shadow or the surviving
-- id is new; it merged when both were there. Whoever leaves others behind was split.
with_reason as (
    select
        changed.*,
        case
            when changed.previous_profile_id is null then 'first'
            when
                was.now_profile_id is null
                or was.now_profile_id <> changed.profile_id
                then 'split'
            when known_profiles.profile_id is null or not was.is_anchor then 'promoted'
            else 'merge'
        end as reason
    from changed
    left join known_profiles on changed.profile_id = known_profiles.profile_id
    left join was on changed.previous_profile_id = was.profile_id
),

final as (
    select
        {{ as_of() }} as as_of,
        with_reason.identifier_type,
        with_reason.identifier_value,
        with_reason.previous_profile_id,
        with_reason.profile_id,
        with_reason.reason,
        case
            when with_reason.reason = 'first' then with_reason.first_record_id
            when with_reason.reason in ('promoted', 'merge') then crossing.record_id
        end as cause_record_id
    from with_reason
    left join crossing
        on
            with_reason.previous_profile_id = crossing.previous_profile_id
            and with_reason.profile_id = crossing.profile_id
)

select * from final
