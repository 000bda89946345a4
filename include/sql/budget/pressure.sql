-- How many messages did each customer of the base get by each channel within these days: how many customers got so many?
with got as (
    select m.customer_id, m.channel, count(*) as messages
    from run r
    join message m using (run_id)
    where r.on_date between :first and :last and m.state in ('accepted', 'unknown')
    group by m.customer_id, m.channel
), way as (
    select unnest(cast(:channels as text[])) as channel
)
select w.channel, coalesce(g.messages, 0)::int as messages, count(*) as customers
from segment s
join customer c using (customer_id)
cross join way w
left join got g on g.customer_id = s.customer_id and g.channel = w.channel
where s.segment <> 'prospect' and c.gone is null
group by 1, 2
order by 1, 2
