-- Which of the figures that were worked out are new, or other than the last time? Those are told. A cell that is no
-- longer there, of a figure and period that was worked out again, is told as nought.
insert into figure (name, span, starts, ends, part, other, value, of, rule, snapshot_id, told_at)
select name, span, coalesce(i.starts, l.starts), ends, part, other, coalesce(i.value, 0), coalesce(i.of, 0),
    :rule, :snapshot_id, :at
from incoming_figure i
full join (
    select distinct on (name, span, ends, part, other) name, span, starts, ends, part, other, value, of
    from figure f
    where rule = :rule
        and exists (select from incoming_figure i where (i.name, i.span, i.ends) = (f.name, f.span, f.ends))
    order by name, span, ends, part, other, figure_id desc
) l using (name, span, ends, part, other)
where (coalesce(i.value, 0), coalesce(i.of, 0)) is distinct from (l.value, l.of)
order by name, span, ends, part, other
