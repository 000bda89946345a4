-- In which shards of the run do these letters stand?
select distinct shard
from message
where run_id = :run_id and channel = 'letter' and message_id = any(cast(:ids as uuid[]))
order by shard
