-- Where does the last word about calls stand?
select k.status, k.recorded_at, least(k.valid_until, k.recorded_on + :call_days) as until, k.source, k.basis,
    c.wording_version, c.direct
from last_word(:customer_id, 'call', :at, true, :zone) k
join lateral (
    select wording_version, direct from consent c
    where c.customer_id = k.customer_id and c.channel = 'call' and c.purpose = 'marketing'
        and c.recorded_at = k.recorded_at and c.status = k.status
    order by direct desc limit 1
) c on true
