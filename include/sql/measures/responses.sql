-- What did everyone of the run buy in its window, by side, group, channel and arm, as each customer base told it?
select snapshot_id, known_at, until, closed, treated, coalesce(scope, '') as scope, segment, channel,
    coalesce(arm, '') as arm, customers, buyers, orders, sold_cents, returned_cents, squares, margin_cents
from response
where run_id = :run_id and known_at <= :known
order by known_at, snapshot_id, treated, scope, segment, channel, arm
