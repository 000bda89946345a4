-- Whose birthday falls on one of the next so many days, from tomorrow on?
-- Who was born on 29 February celebrates on the 28th in ordinary years: adding years to a date does just that. The
-- birthday of next year is looked at too, for the days after New Year's Eve.
select customer_id
from customer
where exists (
    select from (values (0), (1)) as year (later)
    where cast(
        birth_date
        + make_interval(years => cast(date_part('year', :on) - date_part('year', birth_date) as int) + year.later)
        as date
    ) - :on between 1 and :ahead
)
