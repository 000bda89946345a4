-- Whose message would cost more than is left? The best customers are served first; from the first whom the money does
-- not reach, nobody is.
update seat s
set cut = 'over_budget ' || to_char(t.spent / 1000000.0, 'FM999999999990.00')
from (
    select s.customer_id, s.channel,
        sum(p.cost_micros) over (order by c.lifetime_cents desc, c.last_day desc, c.customer_id) as spent
    from seat s
    join considered c using (customer_id)
    join wording y on y.segment = c.segment and y.channel = s.channel and y.arm = s.arm
    join price p on p.channel = s.channel and p.template = y.template and p.language = c.language
    where s.host is null
) t
where t.customer_id = s.customer_id and t.channel = s.channel and s.host is null and t.spent > :budget_micros
