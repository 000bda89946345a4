-- What came of these posts?
update webhook_post w
set events = p.events, error = p.error, applied_at = :at
from unnest(cast(:ids as bigint[]), cast(:events as int[]), cast(:errors as text[])) as p (post_id, events, error)
where w.post_id = p.post_id
