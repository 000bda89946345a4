-- Who stands behind a side of the effect, and what did they buy within the window?
select customer_id, segment, channel, coalesce(arm, '') as arm, orders, sold_cents, returned_cents, first_on
from responses
where case $side when 'written' then treated else not treated and scope = $side end
    and ($segment = '' or segment = $segment) and ($channel = '' or channel = $channel)
    and ($arm = '' or arm = $arm) and (not $bought or orders > 0)
