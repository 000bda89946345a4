"""Which of Airflow's DAG runs worked on which run, so that links lead both ways. A DAG has its campaign's name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from habitue.tables import dag_run


@dataclass(frozen=True, slots=True)
class DagRun:
    dag_id: str
    dag_run_id: str


def note(engine: Engine, found: DagRun, run_id: str, *, at: datetime) -> None:
    """Kept once; a DAG run that is cleared and plans again works on the same run."""
    row = {"dag_id": found.dag_id, "dag_run_id": found.dag_run_id, "run_id": run_id, "seen_at": at}
    with engine.begin() as connection:
        connection.execute(insert(dag_run).values(**row).on_conflict_do_nothing())


def of_run(engine: Engine, run_id: str) -> list[DagRun]:
    """Those that worked on the run, the last first."""
    wanted = select(dag_run.c.dag_id, dag_run.c.dag_run_id).where(dag_run.c.run_id == run_id)
    with engine.connect() as connection:
        return [DagRun(*row) for row in connection.execute(wanted.order_by(dag_run.c.seen_at.desc()))]


def run_of(engine: Engine, found: DagRun) -> str | None:
    """The run that the DAG run worked on; None: it has planned none."""
    wanted = select(dag_run.c.run_id).where(dag_run.c.dag_id == found.dag_id, dag_run.c.dag_run_id == found.dag_run_id)
    with engine.connect() as connection:
        return connection.scalar(wanted)
