-- What must be written so that the book says what is wanted? Nothing, where it does.
with standing as (
    select message_id, run_id, customer_id, order_id, rule, max(ordered_on) as ordered_on, sum(orders) as orders,
        sum(sold_cents) as sold, sum(returned_cents) as returned
    from credit
    where ordered_on >= cast(:since as date) or order_id in (select order_id from wanted_credit)
    group by message_id, run_id, customer_id, order_id, rule
), wanted as (
    select message_id, run_id, customer_id, order_id, rule, ordered_on, 1 as orders, sold_cents as sold,
        returned_cents as returned
    from wanted_credit
)
insert into credit (
    message_id, run_id, customer_id, order_id, ordered_on, rule, rules_version, orders, sold_cents, returned_cents,
    snapshot_id, known_at
)
select message_id, run_id, customer_id, order_id, coalesce(w.ordered_on, s.ordered_on), rule, :rules_version,
    coalesce(w.orders, 0) - coalesce(s.orders, 0), coalesce(w.sold, 0) - coalesce(s.sold, 0),
    coalesce(w.returned, 0) - coalesce(s.returned, 0), :snapshot_id, :at
from wanted w
full join standing s using (message_id, run_id, customer_id, order_id, rule)
where (coalesce(w.orders, 0), coalesce(w.sold, 0), coalesce(w.returned, 0))
    <> (coalesce(s.orders, 0), coalesce(s.sold, 0), coalesce(s.returned, 0))
order by customer_id, order_id, coalesce(w.orders, 0) -- what is taken back stands before what takes its place
returning orders
