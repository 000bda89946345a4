-- Who of these customers has not withdrawn their consent to marketing mail yet? From now on they have.
insert into consent (customer_id, channel, purpose, status, recorded_at, source, known_at)
select i.customer_id, 'email', 'marketing', 'withdrawn', :at, i.source, :at
from unnest(cast(:customers as text[]), cast(:sources as text[])) as i (customer_id, source)
left join lateral (
    select k.status
    from consent k
    where k.customer_id = i.customer_id and k.channel = 'email' and k.purpose = 'marketing'
    order by k.recorded_at desc, k.status desc
    limit 1
) k on true
where k.status is distinct from 'withdrawn'
on conflict (customer_id, channel, purpose, recorded_at, status) do nothing
