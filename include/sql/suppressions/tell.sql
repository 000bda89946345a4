-- What does this page of a provider's list say?
insert into told_suppression (list, mark, reason, created)
select :list, i.mark, :reason, i.created
from unnest(cast(:marks as bytea[]), cast(:moments as timestamptz[])) as i (mark, created)
