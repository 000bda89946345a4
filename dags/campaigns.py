"""One DAG for each file in include/campaigns, and one for its follow-up: plan → render → deliver → report.

- `plan` writes the ledger, once: who gets what, who does not and why. Run again, it changes nothing.
- `render` makes every letter, mail and script; `deliver` starts only when all of them could be made.
- `deliver` claims before it sends, and asks for consent again. Clear, retry or run it twice: nobody gets two.
- A backfill plans and renders, and never delivers.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import wiring
from airflow.sdk import DAG, CronTriggerTimetable, chain, dag, get_current_context, task

from habitue.campaigns import Campaign, campaign_files, load_campaign
from habitue.errors import SettingError
from habitue.schedules import MANUAL

SHOP = wiring.shop()
SAFE = {"retries": 2, "retry_delay": timedelta(minutes=1), "retry_policy": wiring.RETRY}


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
        tags=["habitue", "campaign"],
        doc_md=__doc__,
        default_args={"owner": campaign.owner, **SAFE},
    )
    def run() -> None:
        @task
        def plan() -> list[str]:
            from habitue import runs

            return runs.plan(wiring.house(), campaign.name, on=wiring.run_day(get_current_context()), at=wiring.now())

        @task(map_index_template="{{ label }}", max_active_tis_per_dagrun=4)
        def render(shard: str) -> Any:
            from habitue import runs

            context = get_current_context()
            context["label"] = shard.split("/", 1)[1]  # type: ignore[typeddict-unknown-key]
            return runs.render(wiring.house(), shard)

        @task(map_index_template="{{ label }}", max_active_tis_per_dagrun=4)
        def deliver(shard: str) -> Any:
            from habitue import runs

            context = get_current_context()
            context["label"] = shard.split("/", 1)[1]  # type: ignore[typeddict-unknown-key]
            if wiring.is_backfill(context):
                return {"backfill": True}
            return runs.deliver(wiring.house(), shard, on=wiring.today(context), now=wiring.now)

        @task(trigger_rule="none_failed")
        def report() -> Any:
            from habitue import runs

            return runs.report(wiring.house(), on=wiring.run_day(get_current_context()))

        shards = plan()
        chain(render.expand(shard=shards), deliver.expand(shard=shards), report())

    return run()


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
            campaign_dag(follow_up, f"{title} → {loaded.then.channel}")
    except SettingError as error:
        broken_dag(file, error)
