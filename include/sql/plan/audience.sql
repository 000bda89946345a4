-- Whom does the campaign speak to: everyone in its groups, as they stood at the run's snapshot?
create temp table audience on commit drop as
select s.customer_id, s.segment, s.lifetime_cents, s.last_day,
    c.language, c.birth_date, c.deceased_on, c.household,
    c.letter_barrier, c.email_barrier, c.call_barrier,
    c.country, c.postcode, c.city, c.street
from standing s
join customer c using (customer_id)
where s.segment = any(:segments) and c.gone is null
