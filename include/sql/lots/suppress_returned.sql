-- Which letter boxes are suppressed from now on, for a letter that came back? The box is that of the lot that the post
-- speaks of: the one named, else the last that was made by then; for a letter of no lot, the customer's. What was
-- suppressed or lifted since the post told it stays as it is, so that a file read again changes nothing.
with told as (
    select * from unnest(cast(:keys as text[]), cast(:lots as text[])) as a (source_key, lot_id)
), box as (
    select o.recorded_at, coalesce(t.letter_mark, c.letter_mark) as mark
    from told a
    join outcome o on o.source = :source and o.source_key = a.source_key
    join message m using (message_id)
    left join customer c using (customer_id)
    left join lateral (
        select p.letter_mark
        from lot_letter p
        join lot l using (lot_id)
        where p.message_id = o.message_id and (a.lot_id is null or p.lot_id = a.lot_id)
        order by (l.made_at at time zone :zone)::date <= (o.occurred_at at time zone :zone)::date desc, l.made_at desc
        limit 1
    ) t on true
)
insert into suppression (channel, mark, reason, recorded_at, mark_key, source)
select 'letter', b.mark, 'returned_letter', :at, :mark_key, :source
from box b
where b.mark is not null
    and not exists (
        select from suppression s
        where s.channel = 'letter' and s.mark = b.mark and s.reason = 'returned_letter'
            and (s.lifted_at is null or s.recorded_at >= b.recorded_at)
    )
group by b.mark
on conflict (channel, mark, reason) where lifted_at is null do nothing
