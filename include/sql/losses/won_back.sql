-- Which lapsed customers were written to or rung in these days, what did it cost, and what have they bought because of
-- it or after it: the orders credited to these messages?
with runs as materialized ( -- else the settings of its run would be read for every message
    select run_id, coalesce(settings -> 'title' ->> cast(:language as text), campaign) as title, on_date
    from run
    where on_date between :first_day and :last_day
)
select m.customer_id, m.channel, m.run_id, r.title, r.on_date, m.cost_micros, coalesce(c.orders, 0)::int as orders,
    coalesce(c.cents, 0)::bigint as cents
from runs r
join message m using (run_id)
left join (
    select message_id, sum(orders) as orders, sum(sold_cents - returned_cents) as cents
    from credit
    where known_at <= :known and run_id in (select run_id from runs)
    group by message_id
) c using (message_id)
where m.segment = 'lapsed' and m.state in ('accepted', 'unknown')
