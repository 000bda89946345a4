-- Which figures of a run were the last ones?
select treated, scope, segment, channel, arm, customers, buyers, orders, sold_cents, returned_cents, squares, closed
from response
where run_id = :run_id
    and snapshot_id = (select max(snapshot_id) from response where run_id = :run_id)
