-- Keep who is held out at random, though nothing speaks against writing to them.
insert into holdout (run_id, customer_id, segment, channel, draw, scope)
select :run_id, customer_id, segment, channel, draw, case verdict when 'holdout' then 'campaign' else 'shop' end
from decision
where verdict in ('holdout', 'shop_holdout')
