-- Which events that belong to no message have been kept apart for long enough? They go.
delete from event_apart where recorded_at < :before
