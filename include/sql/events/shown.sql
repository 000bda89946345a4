-- What is known of one post or of one event that is kept apart? No address, no word of it.
select 'post' as what, post_id::text as id, received_at, applied_at, octet_length(body) as bytes, events,
    coalesce(error, case when applied_at is null then 'waiting' end) as why, null as type, null as kind,
    null::timestamptz as occurred_at, post_id, null::int as place, null as provider_ref
from webhook_post
where post_id::text = :id
union all
select 'event', event::text, recorded_at, null, null, null, why, type, kind, occurred_at, post_id, place, provider_ref
from event_apart
where event::text = :id
