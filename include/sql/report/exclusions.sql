-- Whom did the run not take, by rule? What could not be reached says by which of its channel's rules.
select
    case when rule = 'unreachable' then 'unreachable:' || split_part(split_part(value, ', ', 1), ' ', 3) else rule end as rule,
    count(*) as customers
from exclusion
where run_id = :run_id
group by 1
order by 2 desc, 1
