-- Which figures of a run were the last ones?
select treated, scope, segment, channel, arm, customers, buyers, orders, sold_cents, returned_cents, squares, closed
from response
where run_id = :run_id
    and (snapshot_id, known_at) = (
        select snapshot_id, known_at from response where run_id = :run_id order by snapshot_id desc, known_at desc limit 1
    )
