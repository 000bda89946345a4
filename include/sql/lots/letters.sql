-- Which letters stand in a lot, where, and with the mark of which address?
insert into lot_letter (lot_id, seq, message_id, first_page, pages, letter_mark)
select :lot_id, o.seq, o.message_id, o.first_page, o.pages, o.letter_mark
from unnest(
    cast(:seqs as int[]), cast(:ids as uuid[]), cast(:first_pages as int[]), cast(:pages as int[]),
    cast(:marks as bytea[])
) as o (seq, message_id, first_page, pages, letter_mark)
