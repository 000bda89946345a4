-- Who was held out of the run, by whom, and what would they have got?
select h.customer_id, h.segment, h.channel, h.scope, h.draw
from holdout h
where h.run_id = :run_id
