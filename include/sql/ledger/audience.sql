-- Are the shard's messages still those that were planned? Their hash, as the plan made it.
select encode(sha256(convert_to(string_agg(
    concat_ws(' ', message_id, customer_id, template, arm, offer_code), E'\n' order by position
), 'UTF8')), 'hex') as audience_sha256
from message
where run_id = :run_id and channel = :channel and shard = :shard
