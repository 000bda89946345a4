-- Who could have been written to when the period began, by any channel, and on which side of the shop's draw is each?
-- By what was known before its first day, the same for both sides: whom a campaign took later says nothing here. Whoever
-- was held out by an earlier draw of the year is on neither side.
insert into year_side (period_id, customer_id, held)
with held as (
    select distinct customer_id
    from hold
    where opened_at < :moment and (closed_at is null or closed_at >= :moment)
), suppressed as (
    select channel, mark, min(reason) as reason
    from suppression
    where recorded_at < :moment and (lifted_at is null or lifted_at >= :moment)
    group by channel, mark
), marked as (
    select c.*, mark(email_value(c.email), :inner_pad, :outer_pad) as email_mark,
        mark('phone:' || c.phone, :inner_pad, :outer_pad) as phone_mark,
        mark(box_value(c.first_name, c.last_name, c.street, c.postcode), :inner_pad, :outer_pad) as letter_mark
    from start_customer c
    join start_segment s using (customer_id)
    where s.segment <> 'prospect' and c.deceased_on is null
        and (c.birth_date is null or c.birth_date <= :adult_since)
), drawn as (
    select m.customer_id, draw(:seed || '/shop/' || cast(:year as text) || '/' || m.customer_id) < :share as held
    from marked m
    left join held h using (customer_id)
    left join last_words('letter', :moment, :zone) l using (customer_id)
    left join last_words('email', :moment, :zone) e using (customer_id)
    left join last_words('call', :moment, :zone) k using (customer_id)
    left join suppressed sl on sl.channel = 'letter' and sl.mark = m.letter_mark
    left join suppressed se on se.channel = 'email' and se.mark = m.email_mark
    left join suppressed sc on sc.channel = 'call' and sc.mark = m.phone_mark
    where h.customer_id is null and (
        closed('letter', m.letter_barrier, sl.reason, l.status, l.recorded_on, l.valid_until, :day, :consent_days,
            0, 1, 1, 0, 1, 1, null, 1, 1, null) is null
        or closed('email', m.email_barrier, se.reason, e.status, e.recorded_on, e.valid_until, :day, :consent_days,
            0, 1, 1, 0, 1, 1, null, 1, 1, null) is null
        or closed('call', m.call_barrier, sc.reason, k.status, k.recorded_on, k.valid_until, :day, :consent_days,
            0, 1, 1, 0, 1, 1, null, 1, 1, null) is null
    )
)
select :period_id, customer_id, held
from drawn d
where held or not exists (
    select
    from unnest(cast(:seeds as text[]), cast(:shares as float[])) as e (seed, share)
    where draw(e.seed || '/shop/' || cast(:year as text) || '/' || d.customer_id) < e.share
)
