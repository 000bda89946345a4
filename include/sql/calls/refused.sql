-- Which channels has this customer said no to, and since when?
select w.channel, k.recorded_on as since
from unnest(array['letter', 'email', 'call']) as w (channel)
cross join lateral last_word(:customer_id, w.channel, :at, true, :zone) k
where k.status <> 'granted'
