"""## How it runs

plan → render → ask → approve → approve_second → deliver → report

- `plan` writes the ledger, once: who gets what, who does not and why. Run again, it changes nothing.
- `render` makes every letter, mail and script; what follows starts only when all of them could be made.
- `ask` makes samples and the question; `approve` and `approve_second` wait for a person where many people or much money
  are at stake, or where the send window is over. A no, or none in time, ends the run. Where audience or texts have
  changed since, take the change in (`habitue accept RUN`), clear `render` with what follows it, and it is asked anew.
- `deliver` claims before it sends, and asks for consent again. Clear, retry or run it twice: nobody gets two. While the
  run is paused, or outside its hours, it waits without holding a slot; `habitue resume` or `cancel`, and it goes on.
- A backfill, and a scheduled run that only catches up, plan and render; they ask nobody and deliver nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import wiring
from airflow.sdk import DAG, CronTriggerTimetable, chain, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException
from approvals import Approval

from habitue.campaigns import Campaign, campaign_files, load_campaign
from habitue.errors import SettingError
from habitue.schedules import MANUAL

SHOP = wiring.shop()
SAFE = {"retries": 2, "retry_delay": timedelta(minutes=1), "retry_policy": wiring.RETRY}
GREYLISTED = {"retry_delay": timedelta(minutes=15)}
"""For delivery: a mail server that greylists takes a mail a quarter of an hour after it has put it off."""
SOON = {"retry_delay": timedelta(seconds=10)}
"""For tasks that wait for a person: Airflow takes an answer that comes within a second for a crash, and tries again."""


def campaign_dag(campaign: Campaign, title: str) -> DAG:
    schedule = campaign.schedule

    @dag(
        dag_id=campaign.name,
        dag_display_name=title,
        # No start date: with one in the past, unpausing would at once send the last missed quarter's letters.
        schedule=None
        if schedule.cron == MANUAL
        else CronTriggerTimetable(schedule.cron, timezone=schedule.timezone or SHOP.timezone),
        max_active_runs=1,
        tags=["habitue", "campaign", campaign.kind],
        doc_md="\n".join([*described(campaign, title), "", __doc__ or ""]),
        default_args={"owner": campaign.owner, **SAFE},
    )
    def run() -> None:
        @task
        @wiring.step
        def plan() -> list[str]:
            from habitue import runs

            context = get_current_context()
            day, asker = wiring.run_day(context), context["dag_run"].run_id
            return runs.plan(wiring.house(), campaign.name, on=day, at=wiring.now(), dag_run_id=asker)

        @task(map_index_template="{{ label }}", max_active_tis_per_dagrun=4)
        @wiring.step
        def render(shard: str) -> Any:
            from habitue import runs

            context = get_current_context()
            context["label"] = shard.split("/", 1)[1]  # type: ignore[typeddict-unknown-key]
            return runs.render(wiring.house(), shard)

        @task
        @wiring.step
        def ask() -> list[str | None]:
            """One question each time that this is run (see Approval); only the last is put."""
            from habitue import runs

            context = get_current_context()
            before = [None] * (context["ti"].try_number - 1)
            if wiring.is_rehearsal(context, schedule):
                return [*before, None]
            return [*before, runs.ask(wiring.house(), campaign, on=wiring.run_day(context), at=wiring.now())]

        @task(map_index_template="{{ label }}", max_active_tis_per_dagrun=4, **GREYLISTED)
        @wiring.step
        def deliver(shard: str) -> Any:
            from habitue import runs

            context = get_current_context()
            context["label"] = shard.split("/", 1)[1]  # type: ignore[typeddict-unknown-key]
            if wiring.is_rehearsal(context, schedule):
                raise AirflowSkipException("a backfill or a run that only catches up delivers nothing")
            house = wiring.house()
            if why := runs.ended(house, shard):
                raise AirflowSkipException(why)
            with wiring.what_airflow_does(context):
                return runs.deliver(house, shard, on=wiring.today(context), now=wiring.now)

        @task(trigger_rule="none_failed")
        @wiring.step
        def report() -> Any:
            from habitue import runs

            return runs.report(wiring.house(), on=wiring.run_day(get_current_context()), at=wiring.now())

        shards, question = plan(), ask()
        chain(
            render.expand(shard=shards),
            question,
            Approval.partial(task_id="approve", step=1, **SOON).expand(run_id=question),
            Approval.partial(task_id="approve_second", step=2, **SOON).expand(run_id=question),
            deliver.expand(shard=shards),
            report(),
        )

    return run()


def described(campaign: Campaign, title: str) -> Iterator[str]:
    """The campaign as its DAG's page shows it."""
    audience = campaign.audience
    narrowed = [f"those of `{audience.sql}.sql`"] if audience.sql else []
    narrowed += sorted(audience.filters.model_fields_set) if audience.filters else []
    yield f"# {title}\n"
    yield f"- kind: {campaign.kind}; owner: {campaign.owner}"
    yield f"- audience: {', '.join(campaign.groups)}" + (f"; only {', '.join(narrowed)}" if narrowed else "")
    yield f"- holdout: {campaign.holdout:.0%}; messages leave within {campaign.window.days} days"
    yield "\n| group | ways, the first that is lawful and possible | offer |\n|---|---|---|"
    for group in campaign.groups:
        treatment = campaign.treatment(group)
        ways = ", ".join(f"{way.channel} `{way.template}`" for way in treatment.ways)
        yield f"| {group} | {ways} | {treatment.offer.text.get(SHOP.language, '').replace('|', '/')} |"


def broken_dag(path: Path, error: SettingError) -> DAG:
    """A campaign that can't be read is shown as what it is, and hides none of the others."""

    @dag(
        dag_id=path.stem,
        schedule=None,
        tags=["habitue", "broken"],
        doc_md=str(error),
        default_args={"owner": wiring.OWNER},
    )
    def run() -> None:
        @task(retries=0)
        def mend_the_file() -> None:
            raise SettingError(str(error))

        mend_the_file()

    return run()


for file in campaign_files():
    try:
        loaded = load_campaign(file, SHOP)
        title = loaded.title.get(SHOP.language, loaded.name)
        campaign_dag(loaded, title)
        if loaded.then and (follow_up := loaded.follow_up()):
            campaign_dag(follow_up, f"{title} → {', '.join(way.channel for way in loaded.then.each_way)}")
    except SettingError as error:
        broken_dag(file, error)
