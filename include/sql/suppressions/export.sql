-- Which suppressions are in force, as marks that no address can be read from?
select encode(mark, 'hex') as mark, channel, reason,
    to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') as recorded_at, mark_key as key
from suppression
where lifted_at is null
order by channel, mark, reason
