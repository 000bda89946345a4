-- Whom did the run leave out, by which rule, and what did the rule see?
select e.customer_id, concat_ws(' ', c.first_name, c.last_name) as name, e.segment, e.rule, e.value,
    case when e.rule = 'unreachable' then 'unreachable:' || split_part(split_part(e.value, ', ', 1), ' ', 3) else e.rule end
        as reason
from exclusion e
left join customer c using (customer_id)
where e.run_id = :run_id
