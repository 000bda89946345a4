-- To which message is each purchase credited, if to any, and by which rule?
with by_code as (
    select g.customer_id, g.order_id, s.message_id, s.run_id
    from (select customer_id, order_id, day, unnest(codes) as code from purchases) g
    join sent s using (code)
    where g.day between s.since and s.code_until
    qualify row_number() over (
        partition by g.customer_id, g.order_id order by s.left_at desc, s.message_id desc
    ) = 1
), by_last as (
    select p.customer_id, p.order_id, s.message_id, s.run_id
    from purchases p
    join sent s using (customer_id)
    where s.counts and s.left_at <= p.ordered_at and p.day <= s.until
    qualify row_number() over (
        partition by p.customer_id, p.order_id order by s.left_at desc, s.message_id desc
    ) = 1
)
select coalesce(c.message_id, l.message_id) as message_id, coalesce(c.run_id, l.run_id) as run_id, p.customer_id,
    p.order_id, p.day as ordered_on,
    case when c.message_id is null then 'last_message' else 'offer_code' end as rule, p.sold_cents, p.returned_cents
from purchases p
left join by_code c using (customer_id, order_id)
left join by_last l using (customer_id, order_id)
where c.message_id is not null or l.message_id is not null
