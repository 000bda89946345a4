-- Whose customers say no to further e-mails, and when did they? Told twice, it is written once.
insert into consent (customer_id, channel, purpose, status, recorded_at, source, known_at)
select distinct m.customer_id, m.channel, 'marketing', 'withdrawn', s.said_at, 'sendgrid', cast(:at as timestamptz)
from unnest(cast(:ids as uuid[]), cast(:moments as timestamptz[])) as s (message_id, said_at)
join message m using (message_id)
on conflict (customer_id, channel, purpose, recorded_at, status) do nothing
