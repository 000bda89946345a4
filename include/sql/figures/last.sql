-- By which snapshot were figures last told under this rule?
select snapshot_id from figure where rule = :rule order by figure_id desc limit 1
