-- As of which day do the groups and scores of the base stand?
select max(taken_on) from snapshot
