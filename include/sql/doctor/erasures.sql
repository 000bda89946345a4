-- How many erasures were ordered before that moment and are not finished?
select count(*) from erasure where finished_at is null and ordered_at < :before
