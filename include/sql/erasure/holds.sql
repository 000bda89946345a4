-- Who is written to no more from now on, for being erased? The hold is never closed: it is what an import meets.
insert into hold (customer_id, reason, opened_at, opened_by)
select customer_id, 'erased', :at, ordered_by
from erasure
where finished_at is null
on conflict (customer_id, reason) where closed_at is null do nothing
