-- Which run is replayed, and what was the moment of its plan?
create temp table replayed on commit drop as
select run_id, number, planned_at
from run
where run_id = :run_id
