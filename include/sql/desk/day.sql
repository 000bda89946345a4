-- What has an agent done since midnight, which calls do they owe, and which line have they in hand?
select
    (select count(*) from call_attempt
        where agent = :agent and dialled_at >= :since and source = 'desk') as attempts,
    (select count(*) from call_attempt
        where agent = :agent and dialled_at >= :since and source = 'desk' and ended_at is not null
            and disposition is not null) as ended,
    (select count(*) from call_line
        where status = 'open' and owner = :agent and callback_at < cast(:since as timestamptz) + interval '1 day')
        as callbacks,
    (select min(callback_at) from call_line where status = 'open' and owner = :agent) as next_callback,
    (select message_id from call_line
        where status = 'open' and reserved_by = :agent and (reserved_until > :at or attempt_id is not null)
        order by attempt_id is null limit 1) as held
