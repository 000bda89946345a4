-- Whose standing has changed since the last snapshot? Only those are written.
-- Looked up beforehand: `on conflict` would lock, and so write, each row that has not changed.
insert into segment (
    customer_id, snapshot_id, segment, recency_days, purchase_days, orders, amount_cents, average_basket_cents,
    r, f, m, score, tier, first_day, last_day, lifetime_cents, lifetime_days,
    alive, worth_cents, won_back_cents
)
select
    i.customer_id, i.snapshot_id, i.segment, i.recency_days, i.purchase_days, i.orders, i.amount_cents,
    i.average_basket_cents, i.r, i.f, i.m, i.score, i.tier, i.first_day, i.last_day, i.lifetime_cents,
    i.lifetime_days, i.alive, i.worth_cents, i.won_back_cents
from incoming_segment i
where not exists (
    select
    from segment s
    where s.customer_id = i.customer_id and (
        s.segment, s.recency_days, s.purchase_days, s.orders, s.amount_cents, s.average_basket_cents, s.r, s.f, s.m,
        s.score, s.tier, s.first_day, s.last_day, s.lifetime_cents, s.lifetime_days, s.alive,
        s.worth_cents, s.won_back_cents
    ) is not distinct from (
        i.segment, i.recency_days, i.purchase_days, i.orders, i.amount_cents, i.average_basket_cents, i.r, i.f, i.m,
        i.score, i.tier, i.first_day, i.last_day, i.lifetime_cents, i.lifetime_days, i.alive,
        i.worth_cents, i.won_back_cents
    )
)
on conflict (customer_id) do update set
    snapshot_id = excluded.snapshot_id, segment = excluded.segment, recency_days = excluded.recency_days,
    purchase_days = excluded.purchase_days, orders = excluded.orders, amount_cents = excluded.amount_cents,
    average_basket_cents = excluded.average_basket_cents, r = excluded.r, f = excluded.f, m = excluded.m,
    score = excluded.score, tier = excluded.tier, first_day = excluded.first_day, last_day = excluded.last_day,
    lifetime_cents = excluded.lifetime_cents, lifetime_days = excluded.lifetime_days,
    alive = excluded.alive, worth_cents = excluded.worth_cents, won_back_cents = excluded.won_back_cents
