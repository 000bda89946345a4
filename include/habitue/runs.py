"""The steps of a campaign's DAG: plan → render → ask → deliver → report. Ids and counts go in and out, no customers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from habitue import controls, dag_runs, funnels, plans, summaries
from habitue.campaigns import Campaign, find_campaign
from habitue.costs import price_list
from habitue.dag_runs import DagRun
from habitue.deliveries import Clock, Counts, delivery, run_folder
from habitue.errors import LedgerError
from habitue.facts import write_facts
from habitue.house import House
from habitue.lake import Snapshot
from habitue.plans import Base, Plan, Shard
from habitue.recipients import Run, planned_customers


def plan(house: House, campaign_name: str, *, on: date, at: datetime, dag_run_id: str | None = None) -> list[str]:
    """Plans the campaign's run of that date, once, and returns its shards; notes the DAG run that asked."""
    done = planned(house, campaign_name, on=on, at=at)
    if dag_run_id is not None:
        dag_runs.note(house.engine, DagRun(campaign_name, dag_run_id), done.run_id, at=at)
    return [str(shard) for shard in plans.shards(house.engine, done.run_id)]


def planned(house: House, campaign_name: str, *, on: date, at: datetime) -> Plan:
    """Plans the campaign's run of that date, once, and returns what was planned, now or before."""
    campaign = find_campaign(campaign_name, house.shop)
    snapshot = fresh_snapshot(house, on)
    done = plans.plan(
        house.engine,
        campaign,
        on=on,
        at=at,
        shop=house.shop,
        base=Base(snapshot.id, snapshot.segments, snapshot.customers),
        secret=house.secret,
        price=price_list(campaign, house.shop, on),
    )
    gather_facts(house, Run.of(house.engine, done.run_id))
    return done


def fresh_snapshot(house: House, on: date) -> Snapshot:
    """The customer base to plan on: the last one of that day or before, if it is fresh enough to write to people."""
    snapshot = house.last_snapshot(on)
    age, oldest = (on - snapshot.on).days, house.shop.validation.most_snapshot_age_days
    if age > oldest:
        raise LedgerError(
            f"the last good customer base is of {snapshot.on}, {age} days before {on}; {oldest} is the most: see in "
            "the DAG customer_base what has stopped it since (who died or objected in these days is not known here)"
        )
    return snapshot


def gather_facts(house: House, run: Run) -> None:
    """What is known of the run's customers, from its snapshot, beside the run; once."""
    facts = run_folder(house, run) / "facts.parquet"
    if not facts.exists():
        frozen = house.lake.snapshot(run.snapshot_id)
        write_facts(
            planned_customers(house.engine, run.run_id), segments=frozen.segments, orders=frozen.orders, out=facts
        )


def render(house: House, shard: str) -> Counts:
    """Makes the shard's letters, mails or scripts, and lets nothing go."""
    part = Shard.parse(shard)
    return delivery(house, part).render(part)


def ask(house: House, campaign: Campaign, *, on: date, at: datetime) -> str:
    """Makes ready what people look at before they approve, where anybody must; returns the run's id."""
    from habitue.previews import write_previews

    run_id = plans.run_id(campaign, on)
    if controls.approvals(house.engine, run_id, at=at).open:
        write_previews(house, run_id)
    return run_id


def ended(house: House, shard: str) -> str | None:
    """Who ended the shard's run and why, where it is cancelled; else None."""
    return controls.ended(house.engine, Shard.parse(shard).run_id)


def deliver(house: House, shard: str, *, on: date, now: Clock) -> Counts:
    """Claims the shard's messages and lets them go; `on` is the day for which consent is asked again."""
    part = Shard.parse(shard)
    return delivery(house, part).deliver(part, on=on, now=now)


def report(house: House, *, on: date, at: datetime | None = None) -> dict[str, Any]:
    """Writes what there is to open: mail index, summary and run card of that date; and, of the moment `at`, how far
    its runs have come."""
    if at is not None:
        funnels.refresh(house.engine, since=on, until=on, at=at)
    return summaries.write_all(house, on=on)
