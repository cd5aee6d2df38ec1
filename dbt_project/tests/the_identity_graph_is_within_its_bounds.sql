-- A giant profile, too many shared identifiers, or a refresh that merges or splits too many people at once: whatever
-- is built on such a graph must not reach anybody. Look at the rows, correct the cause (a blocked value, a source's
-- mapping), preview the correction, and refresh again; or raise the threshold, with a reason.
select * from {{ ref('obs_identity_health') }}
where is_breached
