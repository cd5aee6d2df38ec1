-- One instance for each contract and end: once that end moves, it is another one.
with

subscriptions as (select * from {{ ref('fct_subscriptions') }}),

final as (
    select
        profile_id,
        subscription_id
        || '|' || cast(cast(contract_ends_at as date) as {{ dbt.type_string() }})
            as instance_key,
        plan,
        contract_ends_at
    from subscriptions
    where
        profile_id is not null
        and contract_ends_at >= {{ as_of() }}
        and contract_ends_at < {{ as_of() }} + interval '30' day
        and not is_renewal_confirmed
        and state in ('active', 'paused')
)

select * from final
