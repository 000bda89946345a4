-- How large is each part of the plan, and what is its hash: who, by which way, in which order, with which text?
select channel, shard, count(*) as messages, encode(sha256(convert_to(
    string_agg(concat_ws(' ', message_id, customer_id, template, arm, offer_code), E'\n' order by position), 'UTF8'
)), 'hex') as audience_sha256
from planned_message
group by channel, shard
order by channel, shard
