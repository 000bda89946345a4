-- What was posted just now? Kept as it came.
insert into webhook_post (received_at, source, body)
select p.received_at, 'sendgrid', p.body
from unnest(cast(:moments as timestamptz[]), cast(:bodies as bytea[])) with ordinality as p (received_at, body, place)
order by p.place
