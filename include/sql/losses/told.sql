-- Who told on the phone in these days why they had left, and what have they bought since, credited to any message?
select t.customer_id, t.reason, t.told_on, t.run_id, coalesce(b.orders, 0)::int as orders,
    coalesce(b.cents, 0)::bigint as cents, exists (
        select
        from targeted_offer o
        where o.customer_id = t.customer_id and o.queued_at >= cast(:first as timestamptz)
    ) as offered
from (
    select distinct on (customer_id) customer_id, reason, run_id, (dialled_at at time zone :zone)::date as told_on
    from call_attempt
    where reason is not null and dialled_at >= :first and dialled_at < :next
    order by customer_id, dialled_at desc
) t
left join (
    select a.customer_id, sum(c.orders) as orders, sum(c.sold_cents - c.returned_cents) as cents
    from (
        select customer_id, (max(dialled_at) at time zone :zone)::date as day
        from call_attempt
        where reason is not null and dialled_at >= :first and dialled_at < :next
        group by customer_id
    ) a
    join credit c on c.customer_id = a.customer_id and c.ordered_on >= a.day and c.known_at <= :known
    group by a.customer_id
) b using (customer_id)
