with

identifier_sets as (select * from {{ ref('int_identifier_sets') }}),

identifier_types as (select * from {{ ref('identifier_types') }}),

blocked_identifiers as (select * from {{ ref('blocked_identifiers') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

phone_numbers as (select * from {{ ref('stg_landing__phone_numbers') }}),

given as (
    select
        identifier_sets.identifier_set_id,
        identifier_sets.source_id,
        item.item.type as given_type,
        trim(item.item.value) as given_value
    from identifier_sets {{ each('identifier_sets.identifiers', 'item') }}
),

-- Spellings of a type (customer_id for user_id) become that type.
typed as (
    select
        given.identifier_set_id,
        given.source_id,
        given.given_value,
        coalesce(identifier_types.same_as, given.given_type) as identifier_type
    from given
    left join identifier_types on given.given_type = identifier_types.identifier_type
),

-- One form per value. A phone number that no numbering plan knows has none.
normalised as (
    select
        typed.identifier_set_id,
        typed.identifier_type,
        case
            when typed.identifier_type = 'email'
                then lower({{ nfc('typed.given_value') }})
            when typed.identifier_type = 'email_sha256' then lower(typed.given_value)
            when typed.identifier_type = 'phone' then phone_numbers.e164
            else typed.given_value
        end as identifier_value
    from typed
    left join sources on typed.source_id = sources.source_id
    left join phone_numbers
        on
            typed.identifier_type = 'phone'
            and typed.given_value = phone_numbers.value
            and coalesce(sources.default_region, '') = phone_numbers.region
),

usable as (
    select normalised.*
    from normalised
    left join blocked_identifiers as blocked_value
        on
            blocked_value.match = 'exact'
            and lower(normalised.identifier_value) = blocked_value.blocked_value
            and blocked_value.identifier_type in ('*', normalised.identifier_type)
    where
        normalised.identifier_value <> ''
        and blocked_value.blocked_value is null
        and not exists (
            select 1
            from blocked_identifiers
            where
                blocked_identifiers.match = 'characters'
                and blocked_identifiers.identifier_type
                in ('*', normalised.identifier_type)
                and translate(
                    normalised.identifier_value,
                    blocked_identifiers.blocked_value,
                    ''
                ) = ''
        )
),

known_values as (
    select distinct
        identifier_type,
        identifier_value
    from usable
    where identifier_type <> 'previous_id'
),

-- The previous id of an alias has no type of its own: it is every identifier known by
-- that value, in the case given or, for e-mail addresses and hashes, in lower case.
known_previous_ids as (
    select
        usable.identifier_set_id,
        usable.identifier_value as previous_value,
        known_values.identifier_type,
        known_values.identifier_value
    from usable
    inner join known_values on usable.identifier_value = known_values.identifier_value
    where usable.identifier_type = 'previous_id'
    union
    select
        usable.identifier_set_id,
        usable.identifier_value as previous_value,
        known_values.identifier_type,
        known_values.identifier_value
    from usable
    inner join known_values
        on lower(usable.identifier_value) = known_values.identifier_value
    where
        usable.identifier_type = 'previous_id'
        and known_values.identifier_type in ('email', 'email_sha256')
),

-- One that nobody has used elsewhere is an e-mail address by its shape, else taken for
-- an anonymous id: the type that never stands in the way of a merge.
unknown_previous_ids as (
    select
        usable.identifier_set_id,
        case
            when usable.identifier_value like '%_@_%' then 'email'
            else 'anonymous_id'
        end as identifier_type,
        case
            when usable.identifier_value like '%_@_%'
                then lower({{ nfc('usable.identifier_value') }})
            else usable.identifier_value
        end as identifier_value
    from usable
    left join known_previous_ids
        on
            usable.identifier_set_id = known_previous_ids.identifier_set_id
            and usable.identifier_value = known_previous_ids.previous_value
    where
        usable.identifier_type = 'previous_id'
        and known_previous_ids.identifier_set_id is null
),

resolved as (
    select
        identifier_set_id,
        identifier_type,
        identifier_value,
        0 as is_previous
    from usable
    where identifier_type <> 'previous_id'
    union all
    select
        identifier_set_id,
        identifier_type,
        identifier_value,
        1 as is_previous
    from known_previous_ids
    union all
    select
        identifier_set_id,
        identifier_type,
        identifier_value,
        1 as is_previous
    from unknown_previous_ids
),

-- An e-mail address also counts as its hash, so that a hashed one meets a clear one.
with_hashes as (
    select * from resolved
    union all
    select
        identifier_set_id,
        'email_sha256' as identifier_type,
        {{ sha256_hex('identifier_value') }} as identifier_value,
        is_previous
    from resolved
    where identifier_type = 'email'
),

final as (
    select
        identifier_set_id,
        {{ hash_bigint("identifier_type || ':' || identifier_value") }}
            as identifier_id,
        identifier_type,
        identifier_value,
        min(is_previous) = 1 as is_previous
    from with_hashes
    group by identifier_set_id, identifier_type, identifier_value
)

select * from final
