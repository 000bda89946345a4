-- Which events are known by these names?
select key, event
from event_key
where key = any(cast(:names as uuid[]))
