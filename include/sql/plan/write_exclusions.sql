-- Whom did the run not take, by which rule, and what did that rule see? The rule is that of the preferred way; the
-- value lists each way that was tried.
insert into exclusion (run_id, customer_id, segment, rule, value)
select :run_id, a.customer_id, a.segment,
    coalesce(o.rule, (array_agg(c.rule order by c.preference))[1]),
    coalesce(o.channel, string_agg(
        c.value || case when c.rule = 'unreachable' then '' else ' ' || c.rule end, ', ' order by c.preference
    ))
from audience a
join candidate c using (customer_id)
left join choice o using (customer_id)
where o.customer_id is null or o.rule = 'over_capacity'
group by a.customer_id, a.segment, o.rule, o.channel
