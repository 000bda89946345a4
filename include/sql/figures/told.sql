-- What was told of these figures, first and last, and by which snapshot each time?
select name, span, starts, ends, part, other, count(*) as times,
    (array_agg(value order by figure_id desc))[1] as value,
    (array_agg(of order by figure_id desc))[1] as of,
    (array_agg(snapshot_id order by figure_id desc))[1] as snapshot_id,
    (array_agg(told_at order by figure_id desc))[1] as told_at,
    (array_agg(value order by figure_id))[1] as first_value,
    (array_agg(of order by figure_id))[1] as first_of,
    (array_agg(snapshot_id order by figure_id))[1] as first_snapshot_id
from figure
where rule = :rule and name = any(:names) and span = any(:spans)
    and (cast(:ends as date[]) is null or ends = any(:ends))
group by name, span, starts, ends, part, other
order by name, span, ends, part, other
