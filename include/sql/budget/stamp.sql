-- What have the year's figures been counted from: has anything left, or another customer base come, since?
select (select max(snapshot_id) from snapshot) as snapshot_id, count(*) as shards,
    coalesce(sum(s.accepted), 0) as accepted, coalesce(sum(s.unknown), 0) as unknown,
    coalesce(sum(s.cancelled), 0) as cancelled, coalesce(sum(s.refused), 0) as refused
from run r
join shard s using (run_id)
where r.on_date between :first and :last
