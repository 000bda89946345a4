-- Whom did the run not take, by rule and group? What could not be reached says by which of its channel's rules.
select
    case when rule = 'unreachable' then 'unreachable:' || split_part(split_part(value, ', ', 1), ' ', 3) else rule end as rule,
    segment, count(*) as customers
from exclusion
where run_id = :run_id
group by 1, 2
order by 3 desc, 1, 2
