-- Who is kept out at random, though nothing speaks against writing to them?
insert into holdout (run_id, customer_id, segment, channel, draw)
select :run_id, customer_id, segment, channel, draw
from choice
where rule = 'holdout'
