-- Which number does the run's next lot get? Behind its shards of letters, printed or not, and its lots.
select 1 + greatest(
    (select coalesce(max(number), 0) from lot where run_id = :run_id),
    (select coalesce(max(shard), 0) from shard where run_id = :run_id and channel = 'letter')
)
