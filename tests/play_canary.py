"""Runs the base and the two campaigns of the main job by `dag.test()`, with every logger at its most talkative."""

from __future__ import annotations

import logging
import os
import sys

import pendulum
from airflow.dag_processing.dagbag import DagBag


def main() -> None:
    sys.path.insert(0, os.environ["AIRFLOW__CORE__DAGS_FOLDER"])  # as Airflow's own processes have it
    logging.getLogger("habitue").setLevel(logging.DEBUG)
    dags = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags
    for dag_id in sys.argv[2:]:
        run = dags[dag_id].test(logical_date=pendulum.parse(sys.argv[1], tz="UTC"))
        print(f"{dag_id}: {run.state}")


if __name__ == "__main__":
    main()
