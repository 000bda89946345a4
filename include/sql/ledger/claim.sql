-- Which messages of a shard may leave now? Claims them for one worker. Whoever has died, left, complained, said no, been
-- suppressed or had enough of other runs since the plan is cancelled. A committed claim is the licence to send: no row,
-- no message. What this worker has put back itself it doesn't take again.
with due as (
    select m.ctid as place, m.customer_id, m.channel
    from message m
    where m.run_id = :run_id and m.channel = :channel and m.shard = :shard and m.position > :after
        and (m.state = 'planned' or (:again and m.state = 'claimed'))
        and m.claimed_by is distinct from :worker
    order by m.position
    limit :most
    for update of m skip locked
), asked as (
    select d.place, split_part(
        case
            when c.customer_id is null or c.gone is not null then 'gone'
            when h.reason = 'erased' then 'erased'
            when c.birth_date > :adult_since then 'minor'
            when c.deceased_on is not null or h.reason = 'deceased' then 'deceased'
            when h.reason = 'complaint' then 'complaint_open'
            when h.reason is not null then h.reason
            else closed(
                d.channel,
                case d.channel
                    when 'letter' then c.letter_barrier when 'email' then c.email_barrier else c.call_barrier
                end,
                s.reason, l.status, l.recorded_on, l.valid_until, :on, :consent_days,
                o.used, :most_messages, :within_days, o.used_any, :most_any, :within_any,
                case when w.fewer then o.used_fewer end, :most_fewer, :within_fewer, null
            )
        end, ' ', 1
    ) as rule
    from due d
    left join customer c using (customer_id)
    left join lateral (
        select reason from hold where customer_id = d.customer_id and closed_at is null
        order by array_position(array['erased', 'deceased', 'complaint'], reason), reason limit 1
    ) h on true
    left join lateral (
        select reason from suppression
        where channel = d.channel and lifted_at is null and mark = case d.channel
            when 'letter' then c.letter_mark when 'email' then c.email_mark else c.phone_mark
        end
        limit 1
    ) s on true
    left join lateral last_word(d.customer_id, d.channel, :end_of_day, true, :zone) l on true
    left join lateral (
        select fewer from preference where customer_id = d.customer_id order by preference_id desc limit 1
    ) w on true
    left join lateral (
        select
            (count(*) filter (
                where p.channel = d.channel and abs(r.on_date - cast(:run_day as date)) < :within_days
            ))::int as used,
            (count(*) filter (where abs(r.on_date - cast(:run_day as date)) < :within_any))::int as used_any,
            (count(*) filter (where abs(r.on_date - cast(:run_day as date)) < :within_fewer))::int as used_fewer
        from message p
        join run r using (run_id)
        where p.customer_id = d.customer_id and p.run_id <> :run_id and p.state in ('claimed', 'accepted', 'unknown')
    ) o on :crowded or w.fewer -- who wishes for fewer may have said so since the plan
), moved as (
    update message m
    set state = case when a.rule is null or a.rule = '' then 'claimed' else 'cancelled' end,
        reason = nullif(a.rule, ''),
        attempt = m.attempt + 1,
        claimed_by = :worker,
        lease_until = case when a.rule is null or a.rule = '' then cast(:lease_until as timestamptz) end,
        settled_at = case when a.rule <> '' then cast(:at as timestamptz) end
    from asked a
    where a.place = m.ctid
    returning m.message_id, m.state, m.position
), tallied as (
    update shard s
    set cancelled = s.cancelled + t.cancelled
    from (select count(*) as cancelled from moved where state = 'cancelled') t
    where s.run_id = :run_id and s.channel = :channel and s.shard = :shard and t.cancelled > 0
)
select message_id, state, position from moved
