-- Which run is rehearsed?
create temp table rehearsed on commit drop as
select cast(:run_id as text) as run_id
