-- Everything that is not as it was, in one list: what, at whom, where, and what to do.
with

incoming as (select * from {{ ref('int_incoming_findings') }}),

outgoing as (select * from {{ ref('int_outgoing_findings') }}),

final as (
    select * from incoming
    union all
    select * from outgoing
)

select * from final
