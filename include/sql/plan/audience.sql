-- Whom does the campaign speak to, as they stood at the run's snapshot, and what keeps each channel closed to each?
-- One row a customer. `barred` closes every channel; `letter`, `email` and `call` close one; null = nothing speaks
-- against it. Each holds the first rule that applies and, behind a space, the value that it saw.
create temp table considered on commit drop as
with contact as ( -- what is still planned counts while it may leave by itself: not what a backfill leaves behind
    select m.customer_id,
        count(*) filter (where m.channel = 'letter' and r.apart < :letter_days)::int as letters,
        count(*) filter (where m.channel = 'email' and r.apart < :email_days)::int as emails,
        count(*) filter (where m.channel = 'call' and r.apart < :call_days)::int as calls,
        count(*) filter (where r.apart < :any_days)::int as messages,
        count(*) filter (where r.apart < :fewer_days)::int as many_days,
        max(r.run_id) filter (where m.channel = 'letter' and r.apart < :letter_pause) as letter_by,
        max(r.run_id) filter (where m.channel = 'email' and r.apart < :email_pause) as email_by,
        max(r.run_id) filter (where m.channel = 'call' and r.apart < :call_pause) as call_by,
        max(r.run_id) filter (where r.campaign = :campaign and r.apart < :rest_days) as rest_by
    from message m
    join (select run_id, campaign, abs(on_date - cast(:on as date)) as apart, deliver_until from run) r using (run_id)
    where m.state not in ('cancelled', 'refused') and r.run_id <> :run_id and r.apart < :longest
        and (m.state <> 'planned' or r.deliver_until > :at)
    group by m.customer_id
), held as (
    select customer_id,
        min(opened_at) filter (where reason = 'erased') as erased,
        min(opened_at) filter (where reason = 'complaint') as complaint,
        min(opened_at) filter (where reason = 'payment_incident') as payment_incident,
        min(opened_at) filter (where reason = 'deceased') as deceased
    from hold
    where closed_at is null
    group by customer_id
), suppressed as (
    select channel, mark, min(reason || ' ' || (recorded_at at time zone :zone)::date) as why
    from suppression
    where lifted_at is null
    group by channel, mark
), wish as ( -- how they told us themselves that they wish to be written to
    select distinct on (customer_id) customer_id, fewer, case when language = any(:spoken) then language end as language
    from preference
    order by customer_id, preference_id desc
), asked as (
    select s.customer_id, s.segment, s.lifetime_cents, s.last_day, coalesce(w.language, c.language) as language, c.household,
        encode(c.person_mark, 'hex') as person,
        case
            when h.erased is not null then 'erased ' || (h.erased at time zone :zone)::date
            when c.birth_date > :adult_since then 'minor ' || extract(year from age(cast(:on as timestamp), c.birth_date))
            when c.deceased_on is not null or h.deceased is not null
                then 'deceased ' || coalesce(c.deceased_on, (h.deceased at time zone :zone)::date)
            when h.complaint is not null then 'complaint_open ' || (h.complaint at time zone :zone)::date
            when h.payment_incident is not null
                then 'payment_incident ' || (h.payment_incident at time zone :zone)::date
        end as barred,
        case when 'letter' = any(:channels) then closed(
            'letter', c.letter_barrier, sl.why, l.status, l.recorded_on, l.valid_until, :on, :consent_days,
            coalesce(o.letters, 0), :letter_most, :letter_days, coalesce(o.messages, 0), :any_most, :any_days,
            case when w.fewer then coalesce(o.many_days, 0) end, :fewer_most, :fewer_days,
            coalesce(o.letter_by, o.rest_by)
        ) end as letter,
        case when 'email' = any(:channels) then closed(
            'email', c.email_barrier, se.why, e.status, e.recorded_on, e.valid_until, :on, :consent_days,
            coalesce(o.emails, 0), :email_most, :email_days, coalesce(o.messages, 0), :any_most, :any_days,
            case when w.fewer then coalesce(o.many_days, 0) end, :fewer_most, :fewer_days,
            coalesce(o.email_by, o.rest_by)
        ) end as email,
        case when 'call' = any(:channels) then closed(
            'call', c.call_barrier, sc.why, k.status, k.recorded_on, k.valid_until, :on, :consent_days,
            coalesce(o.calls, 0), :call_most, :call_days, coalesce(o.messages, 0), :any_most, :any_days,
            case when w.fewer then coalesce(o.many_days, 0) end, :fewer_most, :fewer_days,
            coalesce(o.call_by, o.rest_by)
        ) end as call
    from addressed s
    join customer c using (customer_id)
    left join held h using (customer_id)
    left join contact o using (customer_id)
    left join wish w using (customer_id)
    left join last_words('letter', :end_of_day, :zone) l using (customer_id)
    left join last_words('email', :end_of_day, :zone) e using (customer_id)
    left join last_words('call', :end_of_day, :zone) k using (customer_id)
    left join suppressed sl on sl.channel = 'letter' and sl.mark = c.letter_mark
    left join suppressed se on se.channel = 'email' and se.mark = c.email_mark
    left join suppressed sc on sc.channel = 'call' and sc.mark = c.phone_mark
    where s.segment = any(:segments) and c.gone is null
        and (cast(:score_least as int) is null or s.score >= :score_least)
        and (cast(:score_most as int) is null or s.score <= :score_most)
        and (cast(:spend_least as bigint) is null or s.amount_cents >= :spend_least)
        and (cast(:spend_most as bigint) is null or s.amount_cents <= :spend_most)
        and (cast(:days_since_least as int) is null or s.last_day <= cast(:on as date) - cast(:days_since_least as int))
        and (cast(:days_since_most as int) is null or s.last_day >= cast(:on as date) - cast(:days_since_most as int))
        and (cast(:tiers as text[]) is null or s.tier = any(:tiers))
        and (cast(:languages as text[]) is null or coalesce(w.language, c.language) = any(:languages))
        and (cast(:regions as text[]) is null or exists (
            select from unnest(cast(:regions as text[])) as r (region)
            where starts_with(c.country || '-' || coalesce(c.postcode, ''), r.region)
        ))
)
select * from asked
