-- What do the customers of a run come to, by side, group, channel and arm?
select treated, scope, segment, channel, arm, cast(count(*) as integer) as customers,
    cast(count(*) filter (orders > 0) as integer) as buyers, cast(sum(orders) as integer) as orders,
    cast(sum(sold_cents) as bigint) as sold_cents, cast(sum(returned_cents) as bigint) as returned_cents,
    cast(sum(cast(sold_cents - returned_cents as hugeint) * (sold_cents - returned_cents)) as varchar) as squares
from bought
group by all
order by all
