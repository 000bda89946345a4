-- Which events that came without our id are of a message of ours, by the provider's? A request of many recipients has
-- one id for all of them: then the address tells.
with waiting as (
    select a.event, a.mark, array_to_string(p.parts[1 : n.length], '.') as provider_id
    from event_apart a
    cross join lateral string_to_array(a.provider_ref, '.') as p (parts)
    cross join lateral generate_series(1, cardinality(p.parts)) as n (length)
    where a.why = 'unknown_message' and a.recorded_at > :since
), found as (
    select w.event, m.message_id, w.mark = c.email_mark as same_address, count(*) over (partition by w.event) as many
    from waiting w
    join message m on m.provider_id = w.provider_id and m.channel = 'email'
    left join customer c using (customer_id)
), matched as (
    select event, (array_agg(message_id order by message_id))[1] as message_id
    from found
    where same_address or many = 1
    group by event
    having count(*) = 1
)
delete from event_apart a
using matched f
where a.event = f.event
returning a.event, f.message_id, a.kind, a.occurred_at, a.withdraws
