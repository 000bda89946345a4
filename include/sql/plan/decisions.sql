-- What is decided for everyone who could be served: a message with its text and price, or the holdout? It is drawn
-- last, after every exclusion, so that both sides are alike: a salted hash of seed, campaign and customer.
create temp table decision on commit drop as
select s.customer_id, s.channel, s.arm, s.cut, c.segment, c.language, c.lifetime_cents, c.last_day,
    y.template, p.cost_micros,
    case
        when s.cut is not null then 'excluded'
        when g.customer_id is not null then 'shop_holdout'
        when draw(:seed || ':' || :campaign || ':' || s.customer_id) < :holdout then 'holdout'
        else 'planned'
    end as verdict,
    coalesce(g.draw, draw(:seed || ':' || :campaign || ':' || s.customer_id)) as draw
from seat s
join considered c using (customer_id)
join wording y on y.segment = c.segment and y.channel = s.channel and y.arm = s.arm
join price p on p.channel = s.channel and p.template = y.template and p.language = c.language
left join shop_holdout g on g.year = :year and g.customer_id = s.customer_id
where s.host is null
