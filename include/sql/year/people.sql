-- Who is on which side of the shop's holdout, and what did the messages cost that have left for each?
select s.customer_id, s.held, coalesce(m.cost_micros, 0) as cost_micros
from year_side s
left join (
    select m.customer_id, sum(m.cost_micros)::bigint as cost_micros
    from run r
    join message m using (run_id)
    where r.on_date between :starts and :until and m.state in ('accepted', 'unknown')
    group by m.customer_id
) m using (customer_id)
where s.period_id = :period_id
