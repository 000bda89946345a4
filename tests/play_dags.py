"""Runs the DAGs by `dag.test()` in a process of their own, twice, then the quarterly report as the scheduler would have
started it, a day too late; prints what became of each task."""

from __future__ import annotations

import json
import os
import sys
from unittest.mock import patch

import pendulum
from airflow.dag_processing.dagbag import DagBag


def became(run) -> dict[str, list[str]]:
    tasks = {"run": [str(run.state)]}
    for instance in run.get_task_instances():
        tasks.setdefault(instance.task_id, []).append(str(instance.state))
    return tasks


def scheduled(dag, day):
    """`dag.test()` knows runs by hand alone."""
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.utils.types import DagRunType

    by_hand = SerializedDAG.create_dagrun

    def by_itself(dag: SerializedDAG, **known):
        return by_hand(dag, **{**known, "run_type": DagRunType.SCHEDULED})

    with patch.object(SerializedDAG, "create_dagrun", by_itself):
        return dag.test(logical_date=day)


def main() -> None:
    sys.path.insert(0, os.environ["AIRFLOW__CORE__DAGS_FOLDER"])  # as Airflow's own processes have it
    day = pendulum.parse(sys.argv[1], tz="UTC")
    dags = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags
    rounds = []
    for _ in range(2):
        states = {}
        for dag_id in ("customer_base", "quarterly_letter", "winback_calls", "outcomes", "quarterly_report"):
            states[dag_id] = became(dags[dag_id].test(logical_date=day))
        rounds.append(states)
    rounds.append({"quarterly_report": became(scheduled(dags["quarterly_report"], day.add(days=1)))})
    print(json.dumps(rounds))


if __name__ == "__main__":
    main()
