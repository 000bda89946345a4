-- Which PostgreSQL is this, how does it keep text, what is the time there, does it know the shop's time zone, and may we
-- make tables?
select current_setting('server_version_num')::int / 10000 as version, current_setting('server_encoding') as encoding,
    clock_timestamp() as told_at, exists (select from pg_timezone_names where name = :zone) as knows_zone,
    coalesce(has_schema_privilege(current_schema(), 'create'), false) as makes_tables
