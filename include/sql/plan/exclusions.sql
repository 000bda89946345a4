-- Whom does the run not take, by which rule, and what did that rule see? The rule is that of the preferred way; the
-- value says of each way that was tried why it is closed.
create temp table refusal on commit drop as
select c.customer_id, c.segment,
    split_part(coalesce(c.barred, d.cut, (array_agg(t.why order by t.preference))[1]), ' ', 1) as rule,
    case
        when coalesce(c.barred, d.cut) is not null then nullif(substr(
            coalesce(c.barred, d.channel || substr(d.cut, strpos(d.cut, ' '))),
            case when c.barred is null then 1 else strpos(c.barred, ' ') + 1 end
        ), '')
        else string_agg(t.channel || ' ' || t.why, ', ' order by t.preference)
    end as value
from considered c
left join decision d using (customer_id)
left join lateral (
    select w.preference, w.channel,
        coalesce(
            case w.channel when 'letter' then c.letter when 'email' then c.email else c.call end,
            'household_served ' || s.host
        ) as why
    from way w
    left join seat s on s.customer_id = c.customer_id and s.preference = w.preference
    where w.segment = c.segment
) t on c.barred is null and d.cut is null
where d.customer_id is null or d.verdict = 'excluded'
group by c.customer_id, c.segment, c.barred, d.cut, d.channel
