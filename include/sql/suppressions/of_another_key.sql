-- Are there suppressions that could not be matched with today's customers, for having been marked with another key?
select
    (select count(*) from suppression where lifted_at is null and mark_key <> :key) as suppressions,
    exists (select from suppression where lifted_at is null) as any_suppression,
    exists (select from customer where gone is null and mark_key is distinct from :key) as unmarked
