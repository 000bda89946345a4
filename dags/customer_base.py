"""# The customer base, every night

The shop's customers, orders and consents, as of last night:
**extract → validate → segment → publish → load → figures**.

- Bad rows go to quarantine, each with its reason, and the night goes on.
- A bad batch (a key that is not unique, orders in the future, amounts that jumped) stops the night before anything is
  published; the last good snapshot stays in force. `validation.html` says what to do.
- Safe to clear and run again: a night that is published is not done twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import wiring
from airflow.sdk import Asset, CronTriggerTimetable, chain, dag, get_current_context, task

CUSTOMER_BASE = Asset("customer_base")


@dag(
    dag_id="customer_base",
    dag_display_name="Customer base",
    schedule=CronTriggerTimetable("0 2 * * *", timezone=wiring.shop().timezone),
    max_active_runs=1,
    tags=["habitue", "base"],
    doc_md=__doc__,
    default_args=wiring.tried_again(after=timedelta(minutes=2)),
)
def customer_base() -> None:
    @task
    @wiring.step
    def extract() -> Any:
        from habitue import customer_base as steps

        house, on = wiring.house(), wiring.run_day(get_current_context())
        return steps.extract(house, on, url=wiring.source_url(house.source.connection))

    @task
    @wiring.step
    def validate() -> Any:
        from habitue import customer_base as steps

        return steps.validate(wiring.house(), wiring.run_day(get_current_context()))

    @task
    @wiring.step
    def segment() -> Any:
        from habitue import customer_base as steps

        return steps.segment(wiring.house(), wiring.run_day(get_current_context()))

    @task
    @wiring.step
    def publish() -> Any:
        from habitue import customer_base as steps

        return steps.publish(wiring.house(), wiring.run_day(get_current_context()))

    @task(outlets=[CUSTOMER_BASE])
    @wiring.step
    def load() -> Any:
        from habitue import customer_base as steps

        return steps.load(wiring.house(), wiring.run_day(get_current_context()), at=wiring.now())

    @task
    @wiring.step
    def figures() -> Any:
        from habitue import customer_base as steps

        return steps.figures(wiring.house(), wiring.run_day(get_current_context()), at=wiring.now())

    chain(extract(), validate(), segment(), publish(), load(), figures())


customer_base()
