-- How much of the calendar year's money have other runs spent, or promised to what may still leave?
select coalesce(sum(m.cost_micros), 0)::bigint
from message m
join run r using (run_id)
where r.on_date between :first and :last and r.run_id <> :run_id and m.state not in ('cancelled', 'refused')
    and (m.state <> 'planned' or r.deliver_until > :at)
