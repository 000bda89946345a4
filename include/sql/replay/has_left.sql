-- Which messages of a shard were handed over, as far as the ledger knows, and are there others?
select array_agg(message_id) filter (where state not in ('planned', 'cancelled')) as left_ids,
    coalesce(bool_or(state in ('planned', 'cancelled')), false) as others
from public.message
where run_id = :run_id and channel = :channel and shard = :shard
