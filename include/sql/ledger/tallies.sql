-- How has the run fared so far, by one channel or by all?
select coalesce(sum(messages), 0)::int as messages, coalesce(sum(accepted), 0)::int as accepted,
    coalesce(sum(refused), 0)::int as refused, coalesce(sum(unknown), 0)::int as unknown,
    coalesce(sum(cancelled), 0)::int as cancelled, coalesce(sum(delivered), 0)::int as delivered,
    coalesce(sum(hard_bounces), 0)::int as hard_bounces, coalesce(sum(complaints), 0)::int as complaints
from shard
where run_id = :run_id and (cast(:channel as text) is null or channel = :channel)
