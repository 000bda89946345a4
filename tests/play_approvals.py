"""Runs a campaign by `dag.test()` in its own process, people's answers at hand, and prints what became of each task.

Arguments: JSON, a list of [day, DAG, answers], each answer a choice and who made it, or null where nobody answered.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import pendulum
from airflow.dag_processing.dagbag import DagBag


def main() -> None:
    sys.path.insert(0, os.environ["AIRFLOW__CORE__DAGS_FOLDER"])  # as Airflow's own processes have it
    from approvals import Approval

    answers: Iterator[list[str | None]] = iter(())

    def answered(self: Approval, context: Any, house: Any, found: Any) -> None:
        """Instead of parking: the next person answers at once."""
        choice, who = next(answers)
        event = {
            "chosen_options": [choice],
            "params_input": {},
            "responded_at": pendulum.now(),
            "responded_by_user": who and {"id": who, "name": who},
        }
        self.execute_complete(context, event, audience=found.audience, content=found.content)

    Approval._ask = answered  # type: ignore[method-assign]
    dags = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags
    played = []
    for day, dag_id, given in json.loads(sys.argv[1]):
        answers = iter(given)
        run = dags[dag_id].test(logical_date=pendulum.parse(day, tz="UTC"))
        tasks: dict[str, list[str]] = {"run": [str(run.state)], "unheard": [str(one) for one in answers]}
        for instance in run.get_task_instances():
            tasks.setdefault(instance.task_id, []).append(str(instance.state))
        played.append({name: sorted(set(states)) for name, states in tasks.items()})
    print(json.dumps(played))


if __name__ == "__main__":
    main()
