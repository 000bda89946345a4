"""Runs the base and the two campaigns of the main job by `dag.test()`, with every logger at its most talkative."""

from __future__ import annotations

import logging
import os
import sys

import pendulum
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils


def main() -> None:
    sys.path.insert(0, os.environ["AIRFLOW__CORE__DAGS_FOLDER"])  # as Airflow's own processes have it
    logging.getLogger("habitue").setLevel(logging.DEBUG)
    dags = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags
    # As `airflow.sdk.execution_time.task_runner.main` does for each task; `dag.test()` has no such process.
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
    for dag_id in sys.argv[2:]:
        run = dags[dag_id].test(logical_date=pendulum.parse(sys.argv[1], tz="UTC"))
        print(f"{dag_id}: {run.state}")


if __name__ == "__main__":
    main()
