-- Who is to be erased? Asked again, what was finished is gone through once more, and what was not goes on.
insert into erasure as e (customer_id, rule, reason, ordered_by, ordered_at)
select i.customer_id, :rule, :reason, :by, :at
from unnest(cast(:ids as text[])) as i (customer_id)
on conflict (customer_id) do update set
    rule = case when excluded.rule = 'asked' then excluded.rule else e.rule end,
    done = case when e.finished_at is null then e.done else '{}' end,
    finished_at = null
