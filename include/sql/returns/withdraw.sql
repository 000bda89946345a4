-- Who of these customers has not told us already to write no more marketing mail? From now on they have.
insert into consent (customer_id, channel, purpose, status, recorded_at, source, known_at, direct)
select i.customer_id, 'email', 'marketing', 'withdrawn', :at, i.source, :at, true
from unnest(cast(:customers as text[]), cast(:sources as text[])) as i (customer_id, source)
left join lateral (
    select k.status
    from consent k
    where k.customer_id = i.customer_id and k.channel = 'email' and k.purpose = 'marketing'
        and k.direct
    order by k.recorded_at desc, k.status desc
    limit 1
) k on true
where k.status is null or k.status = 'granted'
on conflict do nothing
