-- To whom do these messages go, and what is needed to write them? Nobody is written to who was erased.
select m.message_id, m.customer_id, m.channel, m.segment, m.language, m.template, m.arm, m.offer_code, m.position, m.state,
    c.civility, c.first_name, c.last_name, c.email, c.phone, c.phone_region, c.timezone,
    c.street, c.address_extra, c.postcode, c.city, c.country,
    least(k.valid_until, k.recorded_on + :call_days) as valid_until
from message m
join customer c using (customer_id)
left join lateral last_word(m.customer_id, m.channel, 'infinity', false, :zone) k on true
where m.run_id = :run_id and m.channel = :channel and m.shard = :shard
    and not exists (select from hold h where h.customer_id = m.customer_id and h.reason = 'erased')
    and m.position > :after and m.state = any(:states)
    and (cast(:ids as uuid[]) is null or m.message_id = any(:ids))
order by m.position
limit :most
