-- By which names are these events known from now on?
insert into event_key (key, event)
select * from unnest(cast(:names as uuid[]), cast(:events as uuid[]))
on conflict (key) do update set event = excluded.event
