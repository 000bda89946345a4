"""# The quarterly report

figures and results of the quarter → HTML, PDF, CSV → e-mail to those named

- Every morning of a quarter's first ten days at 07:30 it is asked whether this is the first working day after the
  quarter (no weekend, no public holiday of the shop's country); on the others the task is skipped.
- `report` writes HTML and PDF in each of the shop's languages and the CSVs into `reports/<quarter>` of the results, and
  sends them through the shop's sender to `report.to` of shop.yaml. Where nobody is named there, the files are all.
- It is safe to clear and run again: who has got it does not get it twice. Started by hand it makes the report of the
  last whole quarter, whatever day it is. `habitue quarterly 2026Q3 --send` does the same for any quarter.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import wiring
from airflow.sdk import CronTriggerTimetable, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException


@dag(
    dag_id="quarterly_report",
    dag_display_name="Quarterly report",
    schedule=CronTriggerTimetable("30 7 1-10 1,4,7,10 *", timezone=wiring.shop().timezone),
    max_active_runs=1,
    tags=["habitue", "outcomes"],
    doc_md=__doc__,
    default_args=wiring.tried_again(after=timedelta(minutes=10)),
)
def quarterly_report() -> None:
    @task
    @wiring.step
    def report() -> Any:
        from habitue import quarterly_files, quarterly_mail
        from habitue.quarters import Quarter

        context = get_current_context()
        house, day = wiring.house(), wiring.run_day(context)
        quarter = Quarter.of(day).before
        first = quarterly_mail.first_working_day(quarter, house.shop.country)
        if context["dag_run"].run_type == "scheduled" and day != first:
            raise AirflowSkipException(f"the first working day after {quarter} is {first}")
        at = wiring.now()
        made = quarterly_files.make(house, quarter, at=at)
        done = {"quarter": str(quarter), "files": len(made.files), "sent": 0, "before": 0, "not_sent": 0}
        if house.shop.report.to:
            with wiring.what_airflow_does(context):
                sent = quarterly_mail.send(house, made, at=at)
            done |= {"sent": sent.accepted, "before": sent.before, "not_sent": len(sent.others)}
        return done

    report()


quarterly_report()
