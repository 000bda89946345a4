"""The main job on one machine: the embedded PostgreSQL, a shop, three DAGs through Airflow, what came of it; and the
quarter after it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from habitue import database, doors, quarterly_files, verdicts
from habitue.airflow_home import AirflowHome
from habitue.errors import SettingError
from habitue.gathering import STEPS
from habitue.house import House
from habitue.lake import Lake
from habitue.quarterly import quarterly
from habitue.quarterly_files import Made
from habitue.quarters import Quarter
from habitue.sources import load_source
from habitue.statements import statement

DEMO_DAY = date(2026, 10, 1)
DEMO_CUSTOMERS = 5000
LATER_DAY = date(2027, 1, 4)
"""The first working day after the quarter that begins with DEMO_DAY: what came of its campaigns is known."""
DAGS = ("customer_base", "quarterly_letter", "winback_calls")
WAITING = "private_event"
"""The campaign that `make up` puts before a person: each of its runs is approved by one."""
PEOPLE = {"admin": "admin", "anna": "viewer", "ben": "viewer", "marc": "viewer"}
"""Who may log in to the demonstration's Airflow: anna and ben ring customers, marc reads the figures (see access in
shop.yaml)."""
FORM = 2
"""Of the demonstration shop's exports; those of another are made anew."""
LATER = "shop-later"
"""Below the results: the demonstration shop's exports of LATER_DAY."""
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
        people = {"people": PEOPLE} if source is None else {}
        home = AirflowHome(out / "airflow", database.ensure_database(server, "airflow"), port, **people)
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
            if source is None and lived_on(place):
                place = later(place)
            if source is None and on < LATER_DAY and lived_on(place):
                after = before
                if not before["messages"]:
                    raise SettingError(
                        f"{out}: this shop has lived on to {LATER_DAY}, and {on} can't be played any more; give "
                        "another folder (OUT=…, or --out)"
                    )
            else:
                prepare(place, progress)
                play(place, on, progress)
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
    if source is None and on == DEMO_DAY:
        console.print(f"What came of it? `habitue demo-quarter --out {out}` lives through the quarter, and reports.")


def prepare(place: Site, progress: Progress) -> None:
    migrating = progress.add_task("preparing Airflow's own tables")
    place.airflow.migrate(place.environment)
    progress.update(migrating, total=1, completed=1)


def play(place: Site, on: date, progress: Progress, dags: Sequence[str] = DAGS) -> None:
    """Plays the day: each DAG once, in one process."""
    played = {**place.environment, "HABITUE_TODAY": on.isoformat()}
    doors.leave_open(place.out, played)
    settings: Mapping[str, str] = {
        **played,
        # Nobody is asked: what would need a person's approval gets the demonstration's, as nothing leaves.
        "HABITUE_DEMONSTRATION": "1",
        # One process works through all shards here, so Typst may have every core.
        "RAYON_NUM_THREADS": str(os.cpu_count() or 1),
    }
    for dag_id in dags:
        task = progress.add_task(dag_id)

        def seen(step: str, task: object = task, dag_id: str = dag_id) -> None:
            progress.update(task, description=f"{dag_id}: {step}")  # type: ignore[arg-type]

        place.airflow.test_dag(dag_id, on, settings, seen=seen)
        progress.update(task, description=dag_id, total=1, completed=1)


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


def run_quarter(console: Console, *, out: Path, seed: int) -> None:
    """Lets the demonstration of that folder live through the quarter, and says what came of it. SettingError where none
    is there, or another shop's house."""
    _check_demonstration(out)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, site(source=None, data=None, out=out) as place:
        known = lived_on(place)
        if not known:
            prepare(place, progress)
        made = live_on(place, progress, seed=seed)
        truth = json.loads((place.out / LATER / "made.json").read_text())
        told = _what_came_of_it(later(place))
    if known:
        console.print(f"[bold]Nothing was lived twice:[/bold] the shop stood at {LATER_DAY} already.")
    console.print("{again:,} orders would have come anyway, {extra:,} came because of a message.".format(**truth))
    console.print("{codes:,} gave a code, {friends:,} of them a friend's; {returns:,} came back.".format(**truth))
    console.print("{newcomers:,} new customers bought {their_orders:,} times.".format(**truth))
    for run_id, says in told.items():
        console.print(f"  {run_id}: {says}", markup=False)
    for file in made.files:
        console.print(f"  open  {_short(file)}")
    for run_id in told:
        console.print(f"  run   HABITUE_OUT={out} habitue results {run_id}")
    console.print(f"  run   make up OUT={out}, then Results, Holdout and Home in Habitué")


def _check_demonstration(out: Path) -> None:
    made = out / doors.SITE
    if not made.exists():
        raise SettingError(f"{out} holds no demonstration: run `habitue demo --out {out}` first")
    known = json.loads(made.read_text())
    if known["HABITUE_SOURCE"] != "demo_shop" or Path(known["HABITUE_DATA"]).parent != out.resolve():
        raise SettingError(
            f"{out} holds another shop's house (source {known['HABITUE_SOURCE']}): only the shop that `habitue demo` "
            "makes up can live on by itself; a real one's purchases come with its own exports"
        )


def later(place: Site) -> Site:
    """The same house with the exports of LATER_DAY."""
    return replace(place, environment={**place.environment, "HABITUE_DATA": str(place.out / LATER)})


def lived_on(place: Site) -> bool:
    """Whether the customer base of LATER_DAY is published: no day before it can be played any more."""
    found = Lake(place.out / "lake").latest(LATER_DAY)
    return found is not None and found.on == LATER_DAY


def live_on(place: Site, progress: Progress, *, seed: int = 1) -> Made:
    """From DEMO_DAY to LATER_DAY: what was bought, the customer base of that day, what is credited to which message,
    the quarter's report. What is done is not done again. SettingError where nothing has left, or by another seed."""
    task = progress.add_task("living on")
    _write_later(place, seed)
    progress.update(task, total=1, completed=1)
    if not lived_on(place):
        play(later(place), LATER_DAY, progress, ["customer_base"])
    task = progress.add_task("gathering what came of it, reporting")
    with _house(later(place)) as (house, at):
        for step in STEPS.values():
            step(house, at=at)
        made = quarterly_files.make(house, Quarter.of(DEMO_DAY), at=at)
    progress.update(task, total=1, completed=1)
    return made


def _write_later(place: Site, seed: int) -> None:
    from habitue.demo_quarter import sent_of, write_quarter

    made = place.out / LATER / "made.json"
    if lived_on(place):
        if (known := json.loads(made.read_text())["seed"]) != seed:
            raise SettingError(
                f"seed {seed}: this shop has lived on with seed {known}; for another life give another folder"
            )
        return
    with _house(place) as (house, _):
        sent = [message for message in sent_of(house.engine) if DEMO_DAY <= message.on < LATER_DAY]
    if not sent:
        raise SettingError(f"{place.out}: no message has left since {DEMO_DAY}: run `habitue demo` to its end first")
    last = LATER_DAY - timedelta(days=1)
    found = write_quarter(place.out / "shop", made.parent, since=DEMO_DAY, until=last, seed=seed, sent=sent)
    counts = {name: value for name, value in vars(found).items() if isinstance(value, int)}
    made.write_text(json.dumps({"seed": seed, **counts}, indent=1))


def _what_came_of_it(place: Site) -> dict[str, str]:
    """In a sentence for each run of the quarter."""
    with _house(place) as (house, at):
        found = quarterly(house, Quarter.of(DEMO_DAY), at=at)
        return {one.run_id: verdicts.sentences(one.results, house.shop)[0] for one in found.mailings}


@contextmanager
def _house(place: Site) -> Iterator[tuple[House, datetime]]:
    """The house as LATER_DAY begins: what is gathered then is known at whatever hour somebody looks on that day."""
    house = House.of({**os.environ, **place.environment, "HABITUE_TODAY": LATER_DAY.isoformat()})
    try:
        yield house, datetime.combine(LATER_DAY, time(), house.shop.tz)
    finally:
        house.engine.dispose()


def run_airflow(console: Console, *, source: str | None, data: Path | None, out: Path, port: int) -> int:
    """Airflow with its UI until it is told to stop.

    The demonstration shop has run its campaigns of DEMO_DAY and lived through the quarter; calls of LATER_DAY are to be
    made, and one more campaign waits for somebody's approval.
    """
    with site(source=source, data=data, out=out, port=port) as place:
        settings = place.environment
        if source is None:
            with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console) as progress:
                place = _lived_in(place, progress)
            settings = {**place.environment, "HABITUE_TODAY": LATER_DAY.isoformat()}
        doors.leave_open(place.out, settings)
        PID_FILE.parent.mkdir(exist_ok=True)
        console.print(f"Airflow is starting on http://127.0.0.1:{port}: open Habitué in its menu. Log in as")
        for name, password in place.airflow.passwords().items():
            console.print(f"  {name:6} password {password}  {SEES.get(name, '')}")
        console.print(f"Its log: {_short(place.airflow.home / 'airflow.log')}. Ctrl-C or `make down` stops it.")
        if source is None:
            Thread(target=_put_before_a_person, args=(place, console), daemon=True).start()
        return place.airflow.serve(settings, pid_file=PID_FILE)


def _lived_in(place: Site, progress: Progress) -> Site:
    """The demonstration on LATER_DAY, whatever of it is there already."""
    make_shop(place.out / "shop", progress)
    called = done_so_far(place, LATER_DAY)["messages"]
    if not called:
        prepare(place, progress)
    if not lived_on(place) and not done_so_far(place, DEMO_DAY)["messages"]:
        play(place, DEMO_DAY, progress)
    live_on(place, progress)
    if not called:
        play(later(place), LATER_DAY, progress, ["winback_calls"])
    return later(place)


SEES = {"admin": "(everything)", "anna": "(the call desk)", "ben": "(the call desk)", "marc": "(the figures)"}


def _put_before_a_person(place: Site, console: Console) -> None:
    """Starts the campaign that waits for approval, once Airflow is up, and says where it waits."""
    runs = f"/api/v2/dags/{WAITING}/dagRuns"
    with place.airflow.reached() as airflow:
        airflow("PATCH", f"/api/v2/dags/{WAITING}", {"is_paused": False})
        # Without a logical date: Airflow starts no run of a day to come. It is of the day that is played.
        airflow("POST", runs, {"dag_run_id": f"manual__{LATER_DAY}", "logical_date": None, "conf": {}})
        while not airflow("GET", f"{runs}/~/hitlDetails?response_received=false")["total_entries"]:
            sleep(3)
    console.print(f"A campaign waits for your approval: http://127.0.0.1:{place.airflow.port}/required_actions")


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
