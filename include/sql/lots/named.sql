-- Which letters do these lines of a return file mean, by each way of naming one?
with asked as (
    select * from unnest(
        cast(:lines as int[]), cast(:ids as uuid[]), cast(:lots as text[]), cast(:seqs as int[]),
        cast(:days as date[]), cast(:numbers as int[]), cast(:code_seqs as int[])
    ) as a (line, message_id, lot_id, seq, day, number, code_seq)
)
select a.line, 'letter_id' as way, m.message_id, m.state, null as lot_id
from asked a
join message m on m.message_id = a.message_id and m.channel = 'letter'
union all
select a.line, 'lot', m.message_id, m.state, t.lot_id
from asked a
join lot_letter t on t.lot_id = a.lot_id and t.seq = a.seq and t.pages is not null
join message m on m.message_id = t.message_id
union all
select a.line, 'barcode', m.message_id, m.state, t.lot_id
from asked a
join run r on r.on_date = a.day
join lot l on l.run_id = r.run_id and l.number = a.number and (a.lot_id is null or l.lot_id = a.lot_id)
join lot_letter t on t.lot_id = l.lot_id and t.seq = a.code_seq and t.pages is not null
join message m on m.message_id = t.message_id
