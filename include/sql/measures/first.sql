-- What was credited to the run's messages when its window had closed, as it was known then? No row: it had not, or none.
select count(*) filter (where orders > 0) as responses, sum(orders)::int as orders, sum(cents)::bigint as revenue_cents
from (
    select message_id, sum(orders) as orders, sum(sold_cents) - sum(returned_cents) as cents
    from credit
    where run_id = :run_id and known_at <= (
        select min(known_at) from response where run_id = :run_id and closed and known_at <= :known
    )
    group by message_id
) as credited
having count(*) > 0
