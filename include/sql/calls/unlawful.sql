-- Who of `to_ring` may not be rung at any moment of this time, and by which rule? As `calling.within`: a test holds one
-- against the other.
create temp table unlawful as
with place as (
    select p.country, p.postcode, (
        select w.law from call_place w
        where starts_with(p.country || '-' || p.postcode, w.prefix) order by length(w.prefix) desc limit 1
    ) as law
    from (
        select distinct coalesce(c.country, c.phone_region) as country, coalesce(c.postcode, '') as postcode
        from to_ring join customer c using (customer_id)
    ) p
), person as (
    select t.customer_id, c.phone_mark, z.zone, w.*, k.recorded_at, k.valid_until, k.status = 'granted' as granted,
        (k.recorded_at at time zone z.zone)::date as given_on,
        (greatest(k.recorded_at, :since) at time zone z.zone)::date as today
    from to_ring t
    join customer c using (customer_id)
    left join call_zone z on z.zone = c.timezone
    left join place p on p.country = coalesce(c.country, c.phone_region) and p.postcode = coalesce(c.postcode, '')
    left join call_law w using (law)
    left join last_words('call', :before, :zone) k using (customer_id)
), made as (
    select p.customer_id, a.attempt_id, (a.dialled_at at time zone p.zone)::date as day
    from person p
    join call_attempt a using (customer_id)
    where a.recorded_at <= :at and p.zone is not null
    union
    select p.customer_id, a.attempt_id, (a.dialled_at at time zone p.zone)::date
    from person p
    join call_attempt a using (phone_mark)
    where a.recorded_at <= :at and p.zone is not null
), moment as ( -- at which somebody might be rung, but for consent and attempts
    select p.customer_id, o.day
    from person p
    join call_opening o using (law, zone)
    where greatest(o.opens, p.recorded_at) < o.closes
    union
    select p.customer_id, (greatest(s.starts_at, p.recorded_at, :since) at time zone p.zone)::date
    from person p
    join call_slot s using (customer_id)
    where s.agreed_at <= :at
        and greatest(s.starts_at, p.recorded_at, :since) < least(s.starts_at + p.slot, cast(:until as timestamptz))
), lawful as (
    select p.customer_id
    from person p
    join moment m using (customer_id)
    left join made a on a.customer_id = m.customer_id and a.day > m.day - p.within and a.day <= m.day
    where m.day <= least(p.given_on + p.consent_days, p.valid_until)
        and (p.screened_within is null or m.day - p.screened_on between 0 and p.screened_within)
    group by p.customer_id, p.most, m.day
    having count(a.attempt_id) < p.most
)
select p.customer_id,
    case
        when p.law is null then 'country_unknown'
        when p.zone is null then 'timezone_unknown'
        when p.granted is null then 'no_consent'
        when not p.granted then 'objected'
        when p.recorded_at > :since then 'no_consent'
        when p.today > least(p.given_on + p.consent_days, p.valid_until) then 'consent_expired'
        when p.screened_within is not null and not coalesce(p.today - p.screened_on between 0 and p.screened_within, false)
            then 'not_screened'
        when (
            select count(*) from made a
            where a.customer_id = p.customer_id and a.day > p.today - p.within and a.day <= p.today
        ) >= p.most then 'attempts_used'
        else 'no_lawful_day'
    end as rule
from person p
where p.law is null or p.zone is null or not coalesce(p.granted, false)
    or not exists (select from lawful l where l.customer_id = p.customer_id)
