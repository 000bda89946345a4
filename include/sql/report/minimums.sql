-- Who got less than a letter in the last quarter or less than a call in the last year, and what stood in the way?
-- Only what has left counts, whether or not it arrived. A reason is the last one that a run gave for that channel, else
-- what closes the channel to them now, else that no campaign offered it.
with past as (
    select run_id, on_date, on_date > cast(:on as date) - cast(:letter_days as int) as this_quarter,
        on_date > cast(:on as date) - cast(:call_days as int) as this_year,
        lpad((row_number() over (order by on_date, number))::text, 9, '0') || ' ' as place -- sorts as time does
    from run
    where on_date <= cast(:on as date)
), written as (
    select m.customer_id,
        count(*) filter (where m.channel = 'letter' and m.has_left and p.this_quarter) as letters,
        count(*) filter (where m.channel = 'call' and m.has_left and p.this_year) as calls,
        max(p.on_date) filter (where m.channel = 'letter' and m.has_left) as last_letter,
        max(p.on_date) filter (where m.channel = 'call' and m.has_left) as last_call,
        max(p.place || m.why) filter (where m.channel = 'letter' and not m.has_left and p.this_quarter) as letter_why,
        max(p.place || m.why) filter (where m.channel = 'call' and not m.has_left and p.this_year) as call_why
    from past p
    join (
        select run_id, customer_id, channel, state in ('accepted', 'unknown') as has_left,
            case state
                when 'cancelled' then coalesce(reason, 'run_cancelled') when 'refused' then 'refused' else 'waiting'
            end as why
        from message
        where channel in ('letter', 'call')
    ) m using (run_id)
    group by m.customer_id
), left_out as (
    select e.customer_id,
        max(p.place || e.letter) filter (where p.this_quarter) as letter_why,
        max(p.place || e.call) as call_why
    from past p
    join (
        select run_id, customer_id,
            case
                when rule in ('over_capacity', 'over_budget') then case when value like 'letter %' then rule end
                when value ~ '^(letter|email|call) ' then substring(value from '(?:^|, )letter ([a-z_]+)')
                else rule
            end as letter,
            case
                when rule in ('over_capacity', 'over_budget') then case when value like 'call %' then rule end
                when value ~ '^(letter|email|call) ' then substring(value from '(?:^|, )call ([a-z_]+)')
                else rule
            end as call
        from exclusion
    ) e using (run_id)
    where p.this_year
    group by e.customer_id
), held_out as (
    select h.customer_id,
        max(p.place || 'holdout') filter (where h.channel = 'letter' and p.this_quarter) as letter_why,
        max(p.place || 'holdout') filter (where h.channel = 'call') as call_why
    from past p
    join holdout h using (run_id)
    where p.this_year
    group by h.customer_id
), held as (
    select customer_id,
        case
            when bool_or(reason = 'erased') then 'erased'
            when bool_or(reason = 'complaint') then 'complaint_open'
            else min(reason)
        end as reason
    from hold
    where closed_at is null
    group by customer_id
), suppressed as (
    select channel, mark, min(reason) as reason from suppression where lifted_at is null group by channel, mark
), now as materialized ( -- so that the joins are planned for everyone, not for the few that the end may leave
    select s.customer_id, s.segment, coalesce(w.letters, 0) as letters, coalesce(w.calls, 0) as calls,
        w.last_letter, w.last_call,
        substr(greatest(w.letter_why, o.letter_why, h.letter_why), 11) as letter_why,
        substr(greatest(w.call_why, o.call_why, h.call_why), 11) as call_why,
        case
            when b.reason is not null then b.reason
            when c.birth_date > :adult_since then 'minor'
            when c.deceased_on is not null then 'deceased'
        end as barred,
        split_part(closed(
            'letter', c.letter_barrier, sl.reason, l.status, l.recorded_on, l.valid_until, :on, :consent_days,
            0, 1, 1, 0, 1, 1, null, 1, 1, null
        ), ' ', 1) as letter_closed,
        split_part(closed(
            'call', c.call_barrier, sc.reason, k.status, k.recorded_on, k.valid_until, :on, :consent_days,
            0, 1, 1, 0, 1, 1, null, 1, 1, null
        ), ' ', 1) as call_closed
    from segment s
    join customer c using (customer_id)
    left join written w using (customer_id)
    left join left_out o using (customer_id)
    left join held_out h using (customer_id)
    left join held b using (customer_id)
    left join last_words('letter', :end_of_day, :zone) l on l.customer_id = s.customer_id
    left join last_words('call', :end_of_day, :zone) k on k.customer_id = s.customer_id
    left join suppressed sl on sl.channel = 'letter' and sl.mark = c.letter_mark
    left join suppressed sc on sc.channel = 'call' and sc.mark = c.phone_mark
    where s.segment <> 'prospect' and c.gone is null
)
select customer_id, segment, letters, last_letter,
    case when letters = 0 then coalesce(letter_why, barred, letter_closed, 'not_offered') end as why_no_letter,
    calls, last_call,
    case when calls = 0 then coalesce(call_why, barred, call_closed, 'not_offered') end as why_no_call,
    barred is null and coalesce(call_closed, 'unreachable') = 'unreachable' as call_lawful
from now
where letters = 0 or calls = 0
order by customer_id
