-- How far have events come, does one since the last look speak of a message that had failed or fails now, and how do the
-- tallies of the runs stand that purchases may be credited to?
select coalesce((select max(outcome_id) from outcome), 0) as heard_until,
    exists (
        select from outcome n
        join outcome f using (message_id)
        where n.outcome_id > :heard_until and n.kind not in ('accepted', 'deferred', 'opened', 'clicked')
            and f.kind in ('hard_bounce', 'dropped', 'blocked', 'spoiled', 'not_mailed', 'returned', 'not_reached')
    ) as late,
    (
        select md5(coalesce(string_agg(
            concat_ws(' ', run_id, channel, shard, accepted, refused, unknown), ',' order by run_id, channel, shard
        ), ''))
        from shard
        join run using (run_id)
        where on_date + greatest(response_days(settings), offer_days(settings)) + :return_days >= cast(:on as date)
            and on_date <= cast(:on as date)
    ) as tallies_md5
