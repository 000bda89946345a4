-- Which events belong to no message of the ledger?
insert into event_apart (event, why, type, kind, occurred_at, recorded_at, post_id, place, provider_ref, mark, withdraws)
select e.event, e.why, e.type, e.kind, e.occurred_at, :at, e.post_id, e.place, e.provider_ref, e.mark, e.withdraws
from unnest(
    cast(:events as uuid[]), cast(:whys as text[]), cast(:types as text[]), cast(:kinds as text[]),
    cast(:moments as timestamptz[]), cast(:posts as bigint[]), cast(:places as int[]), cast(:refs as text[]),
    cast(:marks as bytea[]), cast(:withdrawals as boolean[])
) as e (event, why, type, kind, occurred_at, post_id, place, provider_ref, mark, withdraws)
on conflict (event) do nothing
