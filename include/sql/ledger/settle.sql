-- What came of the messages that this worker had claimed? Those that certainly never left are planned again.
update message m
set state = o.state, provider_id = o.provider_id, reason = o.reason, pages = o.pages, first_page = o.first_page,
    settled_at = case when o.state <> 'planned' then cast(:at as timestamptz) end, lease_until = null
from unnest(
    cast(:ids as uuid[]), cast(:states as text[]), cast(:provider_ids as text[]), cast(:reasons as text[]),
    cast(:pages as int[]), cast(:first_pages as int[])
) as o (message_id, state, provider_id, reason, pages, first_page)
where m.message_id = o.message_id and m.state = 'claimed' and m.claimed_by = :worker
