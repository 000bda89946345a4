-- Who is erased, all steps and the provider included?
update erasure
set finished_at = :at
where finished_at is null and done @> cast(:steps as text[]) and provider is not null
