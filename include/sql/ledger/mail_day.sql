-- How many e-mails of all runs have left on a day, or may have: accepted or in doubt since it began, or in hand by then?
select count(*)
from message
where channel = 'email' and (
    (state = 'claimed' and lease_until >= :begins) or (state in ('accepted', 'unknown') and settled_at >= :begins and settled_at < :ends)
)
