-- Whom does the run not take, by which rule, and what did that rule see? The rule is that of the preferred way; the
-- value says of each way that was tried why it is closed.
create temp table refusal on commit drop as
with left_out as (
    select c.customer_id, c.segment, c.barred, c.letter, c.email, c.call, d.cut, d.channel
    from considered c
    left join decision d using (customer_id)
    where d.customer_id is null or d.verdict = 'excluded'
), tried as (
    select o.customer_id, w.preference, w.channel,
        coalesce(
            case w.channel when 'letter' then o.letter when 'email' then o.email else o.call end,
            'household_served ' || s.host
        ) as why
    from left_out o
    join way w using (segment)
    left join seat s on s.customer_id = o.customer_id and s.preference = w.preference
    where o.barred is null and o.cut is null
), closed_ways as (
    select customer_id, (array_agg(why order by preference))[1] as first_why,
        string_agg(channel || ' ' || why, ', ' order by preference) as every_why
    from tried
    group by customer_id
)
select o.customer_id, o.segment,
    split_part(coalesce(o.barred, o.cut, t.first_why), ' ', 1) as rule,
    case
        when o.barred is not null then nullif(substr(o.barred, strpos(o.barred, ' ') + 1), '')
        when o.cut is not null then o.channel || substr(o.cut, strpos(o.cut, ' '))
        else t.every_why
    end as value
from left_out o
left join closed_ways t using (customer_id)
