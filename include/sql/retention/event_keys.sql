-- Which names of events can no longer be told again? A name begins with its event's second.
delete from event_key where event < cast(:oldest as uuid)
