-- What is true of the published order lines as a whole? Sales only count for the median; it is a discrete one.
with lines as (
    select count(*) as published, min(ordered_at) as first_at, max(ordered_at) as last_at,
        count(*) filter (cast(ordered_at as date) > cast($on as date)) as in_the_future
    from read_parquet($checked)
), amounts as (
    select amount_cents, count(*) as times from read_parquet($checked) where amount_cents > 0 group by amount_cents
), ranked as (
    select amount_cents, sum(times) over (order by amount_cents) as so_far, sum(times) over () as total from amounts
)
select published, cast(first_at as date) as first_day, cast(last_at as date) as last_day, in_the_future,
    (select coalesce(max(total), 0)::bigint from ranked) as sales,
    (select min(amount_cents) from ranked where so_far * 2 >= total) as median_amount_cents
from lines
