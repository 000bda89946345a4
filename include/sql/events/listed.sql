-- Which posts can't be read and which events are kept apart? The last ones first; ids and types only.
select 'post' as what, post_id::text as id, 'unreadable' as why, null as type, received_at as at
from webhook_post
where error is not null and (cast(:why as text) is null or :why = 'unreadable')
union all
select 'event', event::text, why, type, recorded_at
from event_apart
where cast(:why as text) is null or why = :why
order by at desc, id
limit :most
