-- Whose customers say no to further e-mails, and when did they? Told twice, it is written once.
insert into consent (customer_id, channel, purpose, status, recorded_at, source, known_at,
    direct)
select distinct m.customer_id, m.channel, 'marketing', 'withdrawn', s.said_at, 'sendgrid', cast(:at as timestamptz),
    true
from unnest(cast(:ids as uuid[]), cast(:moments as timestamptz[])) as s (message_id, said_at)
join message m using (message_id)
on conflict do nothing
