-- What is decided for everyone who has a seat: a message, or the holdout? It counts last, after every exclusion, so that
-- both sides are alike; the shop's own goes before the campaign's.
create temp view decision as
select s.customer_id, s.channel, nullif(s.arm, '') as arm, s.cut, s.segment, s.language, s.lifetime_cents,
    s.won_back_cents, s.last_day, s.template, s.cost_micros,
    case
        when s.cut is not null then 'excluded'
        when s.shop_draw is not null then 'shop_holdout'
        when s.draw < t.holdout then 'holdout'
        else 'planned'
    end as verdict,
    coalesce(s.shop_draw, s.draw) as draw
from seat s
cross join share t
where s.host is null
