-- Who is this customer, and where does she stand?
select c.customer_id, c.civility, c.first_name, c.last_name, c.birth_date, coalesce(w.language, c.language) as language,
    c.email, c.phone, c.timezone, c.street, c.address_extra, c.postcode, c.city, c.country, c.created_on,
    c.deceased_on, c.letter_barrier, c.email_barrier, c.call_barrier, c.gone, w.fewer,
    s.segment, s.snapshot_id, s.recency_days, s.purchase_days, s.orders, s.amount_cents, s.average_basket_cents, s.r,
    s.f, s.m, s.score, s.tier, s.first_day, s.last_day, s.lifetime_cents, s.lifetime_days,
    e.ordered_at, e.ordered_by, e.done, e.finished_at, e.provider
from customer c
left join segment s using (customer_id)
left join erasure e using (customer_id)
left join lateral (
    select p.language, p.fewer
    from preference p
    where p.customer_id = c.customer_id
    order by p.preference_id desc
    limit 1
) w on true
where c.customer_id = :customer_id
