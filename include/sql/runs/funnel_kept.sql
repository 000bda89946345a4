-- How far had the run come with each group, by channel and arm, when it was counted last?
select segment || '/' || channel || '/' || arm as part, segment, channel, arm, held_out + excluded + planned as audience,
    excluded, held_out, planned, accepted + unknown as left_us, refused + cancelled as stopped, failed, no_news, arrived,
    clicked, objected, cost_micros, spent_micros
from funnel
where run_id = :run_id
