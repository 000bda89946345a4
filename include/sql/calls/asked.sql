-- What must be known of these lines to say whether their customers may be rung, and to show them? `barrier`: the first
-- rule of the ledger that says no; the law is asked apart.
select l.message_id, l.run_id, l.customer_id, l.rank, l.status, l.expires_at, l.not_before, l.callback_at, l.owner,
    l.assigned_to, l.reserved_by, l.reserved_until, l.attempt_id, l.attempts, l.favourites, l.value_cents,
    m.segment, m.language, m.template, m.arm, m.offer_code,
    c.civility, c.first_name, c.last_name, c.phone, c.phone_region, c.phone_mark, c.letter_mark, c.mark_key, c.timezone,
    c.country, c.postcode, c.customer_id is not null and coalesce(h.reason, '') <> 'erased' as known,
    k.status as consent_status, k.recorded_at as consent_at, k.valid_until as consent_until,
    array(
        select a.dialled_at from call_attempt a
        where a.customer_id = l.customer_id and a.dialled_at > :at - interval '70 days'
        union all
        select a.dialled_at from call_attempt a
        where a.phone_mark = c.phone_mark and a.customer_id <> l.customer_id and a.dialled_at > :at - interval '70 days'
    ) as dialled,
    array(
        select s.starts_at from call_slot s where s.customer_id = l.customer_id and s.starts_at > :at - interval '2 days'
    ) as slots,
    split_part(
        case
            when exists (select from stop where lifted_at is null) then 'stopped'
            when r.state <> 'open' then r.state
            when l.expires_at <= :at then 'expired'
            when c.customer_id is null or c.gone is not null then 'gone'
            when h.reason = 'erased' then 'erased'
            when c.birth_date > :adult_since then 'minor'
            when c.deceased_on is not null or h.reason = 'deceased' then 'deceased'
            when h.reason = 'complaint' then 'complaint_open'
            when h.reason is not null then h.reason
            when :ahead and cast(r.settings ->> 'until_purchase' as boolean) and g.snapshot_id > r.snapshot_id
                and cast(g.last_day as text) >= r.snapshot_id then 'bought_since'
            else closed(
                'call', c.call_barrier, s.reason, k.status, k.recorded_on, k.valid_until, :on, :consent_days,
                0, 1, 1, 0, 1, 1, null, 1, 1, null
            )
        end, ' ', 1
    ) as barrier
from call_line l
join message m using (message_id)
join run r on r.run_id = l.run_id
left join customer c on c.customer_id = l.customer_id
left join segment g on g.customer_id = l.customer_id
left join lateral (
    select reason from hold where customer_id = l.customer_id and opened_at <= :at and (closed_at is null or closed_at > :at)
    order by array_position(array['erased', 'deceased', 'complaint'], reason), reason limit 1
) h on true
left join lateral (
    select reason from suppression
    where channel = 'call' and mark = c.phone_mark and recorded_at <= :at and lifted_at is null
    limit 1
) s on true
left join lateral last_word(l.customer_id, 'call', :at, :ahead, :zone) k on true
where l.message_id = any(cast(:ids as uuid[]))
