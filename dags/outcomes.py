"""# What came of it, every hour

provider's events · returned mails · provider's suppressions · printer's files · call lists · purchases · figures

- `provider_events` applies what the webhook took and nobody has applied yet; `returned_mails` reads the mailbox of
  `sender.returns`; `provider_suppressions` brings SendGrid's lists and ours together. What a shop has not set up is
  skipped.
- `printer_files` takes in what lies in `letters.returns` (else `returns/inbox` in the folder of results). A file that
  can't be read is an error that names it; the others are taken in, and it stays until it is mended.
- `call_results` ends the call lists whose time is over: who was rung in vain is not reached, a call that was never made
  is cancelled. What agents say of a talk counts at once, at the desk.
- `credited_purchases` credits purchases to messages, and restates what each run's customers bought, once for each
  customer base that was loaded, and again where news since have changed what had left or failed. Where nothing has, it
  reads no purchase. What was known before stays beside it.
- `counted_outcomes` counts how far each run of the last 120 days has come, as its page shows it; of a large shop also
  what came of its large runs, where there is news of them, the year's money, and what was won back.
- All of it is safe to clear and run again, in any order, however late the news come. Each step stands for itself: where
  one fails, the others go on, the run is shown as failed, and the next hour takes up what was left.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import wiring
from airflow.sdk import CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from habitue.gathering import STEPS


@dag(
    dag_id="outcomes",
    dag_display_name="Outcomes",
    schedule=CronTriggerTimetable("20 * * * *", timezone=wiring.shop().timezone),
    max_active_runs=1,
    tags=["habitue", "outcomes"],
    doc_md=__doc__,
    default_args=wiring.tried_again(after=timedelta(minutes=2)),
)
def outcomes() -> None:
    @task
    @wiring.step
    def gather(step: str) -> Any:
        done = STEPS[step](wiring.house(), at=wiring.now())
        if "skipped" in done:
            raise AirflowSkipException(f"{step}: {done['skipped']}")
        return done

    for name in STEPS:
        gather.override(task_id=name)(name)


outcomes()
