-- By which snapshot were figures last told under this rule?
select max(snapshot_id) from figure where rule = :rule
