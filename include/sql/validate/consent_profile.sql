-- What is true of the published consents as a whole?
with events as (
    select count(*) as times
    from read_parquet($checked)
    group by customer_id, channel, purpose, status, recorded_at
)
select coalesce(sum(times), 0)::bigint as published, coalesce(sum(times) - count(*), 0)::bigint as published_twice
from events
