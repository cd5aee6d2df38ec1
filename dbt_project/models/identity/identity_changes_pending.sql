with

identifiers as (select * from {{ ref('dim_identifiers') }}),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

identity_changes as (select * from {{ ref('stg_landing__identity_changes') }}),

identity_edges as (select * from {{ ref('int_identity_edges') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

-- What the ledger says of each identifier.
ledger as (
    select
        identifier_type,
        identifier_value,
        max_by(profile_id, record_id) as profile_id
    from identity_changes
    group by identifier_type, identifier_value
),

known_profiles as (select distinct profile_id from identity_changes),

compared as (
    select
        identifiers.identifier_id,
        identifiers.identifier_type,
        identifiers.identifier_value,
        identifiers.first_record_id,
        identifiers.profile_id,
        ledger.profile_id as previous_profile_id
    from identifiers
    left join ledger
        on
            identifiers.identifier_type = ledger.identifier_type
            and identifiers.identifier_value = ledger.identifier_value
),

changed as (
    select * from compared
    where previous_profile_id is null or previous_profile_id <> profile_id
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
            node_a,
            node_b,
            first_record_id
        from identity_edges
        union all
        select
            node_b as node_a,
            node_a as node_b,
            first_record_id
        from identity_edges
    ) as edges
    inner join changed as a on edges.node_a = a.identifier_id
    inner join compared as b on edges.node_b = b.identifier_id
    where
        a.profile_id = b.profile_id
        and a.previous_profile_id <> coalesce(b.previous_profile_id, '')
    group by a.previous_profile_id, a.profile_id
),

-- What kind of identifier gave a profile its id.
was as (
    select
        {{ profile_id('identifiers.identifier_type', 'identifiers.identifier_value') }}
            as profile_id,
        identifier_rules.is_anchor
    from identifiers
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
                profile_ids.profile_id is null
                or profile_ids.profile_id <> changed.profile_id
                then 'split'
            when known_profiles.profile_id is null or not was.is_anchor then 'promoted'
            else 'merge'
        end as reason
    from changed
    left join profile_ids on changed.previous_profile_id = profile_ids.any_profile_id
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
