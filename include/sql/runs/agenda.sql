-- What stands in the calendar? The days come from the ledger and from the campaigns' schedules, which are files.
select * from jsonb_to_recordset(cast(:days as jsonb)) as d (
    place int, on_date date, title text, kind text, channels text, standing text, planned int, run_id text
)
