-- Which letters of this run are to be printed again, and which rule speaks against it today? By their place in a lot, by
-- customer, by id, or all that the printer spoilt or left out and nobody has printed since. What applies to a claim
-- applies here, but for the caps: this letter counts already. The place that counts is the last one.
with last_place as (
    select distinct on (t.message_id) t.message_id, t.lot_id, t.seq, l.number, l.made_at
    from lot l
    join lot_letter t using (lot_id)
    where l.run_id = :run_id
    order by t.message_id, l.number desc
), last_word as ( -- of the printer, since the letter was printed last
    select distinct on (o.message_id) o.message_id, o.kind
    from last_place p
    join outcome o using (message_id)
    where o.kind in ('printed', 'spoiled', 'not_mailed', 'mailed', 'returned') and o.recorded_at >= p.made_at
    order by o.message_id, o.occurred_at desc, o.outcome_id desc
), wanted as (
    select m.message_id, m.customer_id, m.channel, m.state, m.position, m.shard, m.segment, m.arm, p.lot_id, p.number,
        p.seq
    from message m
    left join last_place p using (message_id)
    left join last_word w using (message_id)
    where m.run_id = :run_id and m.channel = 'letter' and (
        (cast(:spoiled as boolean) and m.state = 'accepted' and w.kind in ('spoiled', 'not_mailed'))
        or m.customer_id = :customer_id
        or m.message_id = any(cast(:ids as uuid[]))
        or exists (
            select from lot_letter t
            join lot l using (lot_id)
            where t.message_id = m.message_id and l.run_id = :run_id and l.number = :number
                and t.seq = any(cast(:seqs as int[]))
        )
    )
)
select w.message_id, w.position, w.shard, w.segment, w.arm, w.number, w.seq, w.state,
    (
        select t.seq from lot_letter t join lot l using (lot_id)
        where t.message_id = w.message_id and l.run_id = :run_id and l.number = :number
    ) as asked_seq,
    nullif(split_part(
        case
            when w.state <> 'accepted' then 'not_printed'
            when c.customer_id is null or c.gone is not null then 'gone'
            when h.reason = 'erased' then 'erased'
            when c.birth_date > :adult_since then 'minor'
            when c.deceased_on is not null or h.reason = 'deceased' then 'deceased'
            when h.reason = 'complaint' then 'complaint_open'
            when h.reason is not null then h.reason
            else closed(
                'letter', c.letter_barrier, s.reason, k.status, k.recorded_on, k.valid_until, :on, :consent_days,
                0, 1, 1, 0, 1, 1, null, 1, 1, null
            )
        end, ' ', 1
    ), '') as rule
from wanted w
left join customer c using (customer_id)
left join lateral (
    select reason from hold where customer_id = w.customer_id and closed_at is null
    order by array_position(array['erased', 'deceased', 'complaint'], reason), reason limit 1
) h on true
left join lateral (
    select reason from suppression where channel = 'letter' and lifted_at is null and mark = c.letter_mark limit 1
) s on true
left join lateral last_word(w.customer_id, 'letter', :end_of_day, true, :zone) k on true
order by w.position
