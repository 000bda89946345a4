-- What is decided for everyone who could be served: a message, or the holdout? It is drawn last, after every exclusion,
-- so that both sides are alike: a salted hash of seed, campaign and customer.
create temp table decision on commit drop as
with drawn as materialized (
    select s.customer_id, s.channel, nullif(s.arm, '') as arm, s.cut, s.segment, s.language, s.lifetime_cents,
        s.last_day, s.template, s.cost_micros, g.draw as shop_draw,
        draw(:seed || ':' || :campaign || ':' || s.customer_id) as draw
    from seat s
    left join shop_holdout g on g.year = :year and g.customer_id = s.customer_id
    where s.host is null
)
select customer_id, channel, arm, cut, segment, language, lifetime_cents, last_day, template, cost_micros,
    case
        when cut is not null then 'excluded'
        when shop_draw is not null then 'shop_holdout'
        when draw < :holdout then 'holdout'
        else 'planned'
    end as verdict,
    coalesce(shop_draw, draw) as draw
from drawn
