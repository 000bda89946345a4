-- Do the plan's parts add up to its audience?
select
    (select count(*) from audience) as audience,
    (select count(*) from choice where rule is null) as planned,
    (select count(*) from choice where rule = 'holdout') as held_out,
    (select count(*) from audience a left join choice c using (customer_id)
        where c.customer_id is null or c.rule = 'over_capacity') as excluded
