-- On which day did each campaign run first?
select campaign, min(on_date) as first from run group by campaign
