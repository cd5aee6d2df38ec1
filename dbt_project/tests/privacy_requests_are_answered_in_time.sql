{{ config(severity='warn', description='No request of a person is open past its deadline. If one is: python -m orchestration.privacy status, then continue.') }}

select
    request_id,
    request_type,
    due_at
from {{ ref('fct_privacy_requests') }}
where is_overdue and not is_done
