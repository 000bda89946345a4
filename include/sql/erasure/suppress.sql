-- Which addresses and numbers of those who asked are suppressed from now on? So no other list brings them back.
insert into suppression (channel, mark, reason, recorded_at, mark_key, source)
select distinct m.channel, m.mark, m.reason, :at, :key, 'erasure'
from known k
join erasure e using (customer_id)
cross join lateral (
    values
        ('email', 'unsubscribed', mark(email_value(k.email), :inner_pad, :outer_pad)),
        ('call', 'refused_calls', mark('phone:' || k.phone, :inner_pad, :outer_pad)),
        ('letter', 'unsubscribed', mark(box_value(k.first_name, k.last_name, k.street, k.postcode), :inner_pad, :outer_pad))
) as m (channel, reason, mark)
where e.rule = 'asked' and m.mark is not null
on conflict (channel, mark, reason) where lifted_at is null do nothing
