"""The main job on one machine: the embedded PostgreSQL, a shop, three DAGs through Airflow, and what came of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from habitue import database, doors
from habitue.airflow_home import AirflowHome
from habitue.errors import SettingError
from habitue.sources import load_source
from habitue.statements import statement

DEMO_DAY = date(2026, 10, 1)
DEMO_CUSTOMERS = 5000
DAGS = ("customer_base", "quarterly_letter", "winback_calls")
FORM = 2
"""Of the demonstration shop's exports; those of another are made anew."""
PID_FILE = Path("var") / "up.pid"


@dataclass(frozen=True)
class Site:
    """One shop's installation on this machine."""

    out: Path
    airflow: AirflowHome
    environment: dict[str, str]


@contextmanager
def site(*, source: str | None, data: Path | None, out: Path, port: int = 8080) -> Iterator[Site]:
    """The embedded PostgreSQL with this shop's two databases, migrated; stopped when the last user leaves.

    The server's data lie in the same folder as all else: two shops never meet, and who deletes the folder starts anew.
    """
    out = out.resolve()
    spec = load_source(source or "demo_shop", data=data or (out / "shop" if source is None else None))
    if spec.files and (spec.data is None or (source is not None and not spec.data.is_dir())):
        raise SettingError(f"source {spec.name} reads files: say in which folder they are (DATA=…, or --data)")
    out.mkdir(parents=True, exist_ok=True)
    with database.embedded(out / "postgres") as server:
        base = database.ensure_database(server, "habitue")
        engine = database.connect(base)
        database.upgrade(engine)
        engine.dispose()
        settings = {
            "HABITUE_SOURCE": str(Path(source).resolve()) if source and source.endswith(".yaml") else spec.name,
            "HABITUE_DATA": str(spec.data.resolve()) if spec.data else "",
            "HABITUE_OUT": str(out),
            "HABITUE_DATABASE_URL": base.render_as_string(hide_password=False),
        }
        home = AirflowHome(out / "airflow", database.ensure_database(server, "airflow"), port)
        yield Site(out, home, settings)


def make_shop(folder: Path, progress: Progress) -> None:
    """The demonstration shop's exports, unless they are there already."""
    from habitue.demo_shop import write_shop

    made = folder / "made.json"
    if made.exists() and json.loads(made.read_text()).get("form") == FORM:
        return
    task = progress.add_task("making the demonstration shop", total=DEMO_CUSTOMERS)
    counts = write_shop(
        folder,
        customers=DEMO_CUSTOMERS,
        seed=1,
        until=date(2026, 9, 30),
        on_progress=lambda done: progress.update(task, completed=done),
    )
    made.write_text(json.dumps({"form": FORM, **counts}, indent=1))
    progress.update(task, completed=DEMO_CUSTOMERS)


def run_demo(console: Console, *, source: str | None, data: Path | None, on: date, out: Path) -> None:
    """Plays `on`: the customer base of that night, then both campaigns, each DAG through `airflow dags test`."""
    from habitue.report import summary_table

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        starting = progress.add_task("starting PostgreSQL")
        with site(source=source, data=data, out=out) as place:
            progress.update(starting, total=1, completed=1)
            if source is None:
                make_shop(place.out / "shop", progress)
            before = done_so_far(place, on)
            played = {**place.environment, "HABITUE_TODAY": on.isoformat()}
            doors.leave_open(place.out, played)
            settings: Mapping[str, str] = {
                **played,
                # Nobody is asked: what would need a person's approval gets the demonstration's, as nothing leaves.
                "HABITUE_DEMONSTRATION": "1",
                # One process works through all shards here, so Typst may have every core.
                "RAYON_NUM_THREADS": str(os.cpu_count() or 1),
            }
            migrating = progress.add_task("preparing Airflow's own tables")
            place.airflow.migrate(settings)
            progress.update(migrating, total=1, completed=1)
            for dag_id in DAGS:
                task = progress.add_task(dag_id)

                def seen(step: str, task: object = task, dag_id: str = dag_id) -> None:
                    progress.update(task, description=f"{dag_id}: {step}")  # type: ignore[arg-type]

                place.airflow.test_dag(dag_id, on, settings, seen=seen)
                progress.update(task, description=dag_id, total=1, completed=1)
            after = done_so_far(place, on)
    summary = json.loads((place.out / "summary.json").read_text("utf-8"))
    console.print(summary_table(summary))
    if before["messages"] and before == after:
        console.print(
            f"[bold]Nothing was done twice:[/bold] the snapshot of {on} and all {sum(before['messages'].values()):,} "
            "messages were there already; nothing was sent again."
        )
    for name in ("report.html", "validation.html", "letters", "emails/index.html", "calls", "quarantine"):
        if (place.out / name).exists():
            console.print(f"  open  {_short(place.out / name)}")


def done_so_far(place: Site, on: date) -> dict[str, Any]:
    """What the lake and the ledger hold of that date: the snapshot's hash, and messages by run, state and attempt."""
    engine = database.connect(place.environment["HABITUE_DATABASE_URL"])
    with engine.connect() as connection:
        rows = connection.execute(statement("report/done"), {"on": on}).all()
    engine.dispose()
    manifest = place.out / "lake" / "snapshots" / on.isoformat() / "manifest.json"
    return {
        "snapshot": hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.exists() else None,
        "messages": {(row.run_id, row.state, row.attempt): row.messages for row in rows},
    }


def run_airflow(console: Console, *, source: str | None, data: Path | None, out: Path, port: int) -> int:
    """Airflow with its UI until it is told to stop."""
    with site(source=source, data=data, out=out, port=port) as place:
        if source is None:
            with Progress(console=console) as progress:
                make_shop(place.out / "shop", progress)
        doors.leave_open(place.out, place.environment)
        password = place.airflow.password()
        PID_FILE.parent.mkdir(exist_ok=True)
        console.print(f"Airflow is starting on http://127.0.0.1:{port}; log in as admin, password {password}")
        console.print(f"Its log: {_short(place.airflow.home / 'airflow.log')}. Ctrl-C or `make down` stops it.")
        return place.airflow.serve(place.environment, pid_file=PID_FILE)


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
