with

landed as (select * from {{ ref('stg_landing__privacy_requests') }}),

-- Which requests were carried out, and when first?
answers as (
    select
        about as request_id,
        min(received_at) as done_at
    from landed
    where request_type = 'done'
    group by about
),

requests as (
    select
        record_id as request_id,
        request_type,
        requested_at,
        requester,
        coalesce(due_at, requested_at + interval {{ var('erasure_days') }} day)
            as due_at
    from landed
    where request_type != 'done'
),

final as (
    select
        requests.request_id,
        requests.request_type,
        requests.requested_at,
        requests.requester,
        requests.due_at,
        answers.done_at,
        answers.request_id is not null as is_done,
        coalesce(answers.done_at, {{ as_of() }}) > requests.due_at as is_overdue
    from requests
    left join answers
        on requests.request_id = answers.request_id
)

select * from final
