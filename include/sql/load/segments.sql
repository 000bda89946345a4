-- Whose standing has changed since the last snapshot? Only those are written.
insert into segment as s (
    customer_id, snapshot_id, segment, recency_days, purchase_days, orders, amount_cents, average_basket_cents,
    r, f, m, score, tier, first_day, last_day, lifetime_cents, lifetime_days
)
select
    customer_id, snapshot_id, segment, recency_days, purchase_days, orders, amount_cents, average_basket_cents,
    r, f, m, score, tier, first_day, last_day, lifetime_cents, lifetime_days
from incoming_segment
on conflict (customer_id) do update set
    snapshot_id = excluded.snapshot_id, segment = excluded.segment, recency_days = excluded.recency_days,
    purchase_days = excluded.purchase_days, orders = excluded.orders, amount_cents = excluded.amount_cents,
    average_basket_cents = excluded.average_basket_cents, r = excluded.r, f = excluded.f, m = excluded.m,
    score = excluded.score, tier = excluded.tier, first_day = excluded.first_day, last_day = excluded.last_day,
    lifetime_cents = excluded.lifetime_cents, lifetime_days = excluded.lifetime_days
where (
    s.segment, s.recency_days, s.purchase_days, s.orders, s.amount_cents, s.average_basket_cents,
    s.r, s.f, s.m, s.score, s.tier, s.first_day, s.last_day, s.lifetime_cents, s.lifetime_days
) is distinct from (
    excluded.segment, excluded.recency_days, excluded.purchase_days, excluded.orders, excluded.amount_cents,
    excluded.average_basket_cents, excluded.r, excluded.f, excluded.m, excluded.score, excluded.tier,
    excluded.first_day, excluded.last_day, excluded.lifetime_cents, excluded.lifetime_days
)
