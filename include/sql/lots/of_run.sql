-- Which lots were made of a run, how large, for which reason, and where did they go?
select l.lot_id, l.number, count(t.seq) as letters, coalesce(sum(t.pages), 0) as pages, l.made_at, l.reason, l.made_by,
    l.handed_over_at, l.handed_over_to, l.provider_id
from lot l
left join lot_letter t using (lot_id)
where l.run_id = :run_id
group by l.lot_id
order by l.number
