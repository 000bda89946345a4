-- How many messages did each customer of the base get by this channel within these days?
select s.customer_id, s.segment, coalesce(g.messages, 0)::int as messages
from segment s
join customer c using (customer_id)
left join (
    select m.customer_id, count(*) as messages
    from run r
    join message m using (run_id)
    where r.on_date between :first and :last and m.channel = :channel and m.state in ('accepted', 'unknown')
    group by m.customer_id
) g using (customer_id)
where s.segment <> 'prospect' and c.gone is null
