-- Who bought for the first time within the last so many days, the run's own day included, and on no other day since?
select customer_id
from standing
where lifetime_days = 1 and :on - first_day between 0 and :days - 1
