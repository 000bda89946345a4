-- Which consents are new? Events are only ever added: an import takes nothing back that a customer said here.
insert into consent (customer_id, channel, purpose, status, basis, recorded_at, valid_until, source, wording_version,
    known_at)
select
    i.customer_id, i.channel, i.purpose, i.status, i.basis, i.recorded_at at time zone 'UTC', i.valid_until, i.source,
    i.wording_version, :at
from incoming_consent i
where not exists (
    select
    from consent c
    where c.customer_id = i.customer_id and c.channel = i.channel and c.purpose = i.purpose and c.status = i.status
        and c.recorded_at = i.recorded_at at time zone 'UTC'
)
on conflict do nothing
