-- Who has been silent for longer than is usual for them, and has not lapsed yet?
-- The usual gap is the time from the first purchase to the last, shared out among the gaps between its days; it takes
-- four days of purchase to speak of a habit. Both sides are multiplied by the number of gaps: nothing is rounded.
select customer_id
from standing
where segment <> 'lapsed'
    and lifetime_days >= 4
    and :on - last_day >= :least_days
    and (:on - last_day) * (lifetime_days - 1) > :factor * (last_day - first_day)
