-- For whom is this step behind them?
update erasure
set done = array_append(done, :step)
where customer_id = any(cast(:ids as text[])) and :step <> all(done)
