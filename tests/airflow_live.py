"""A real Airflow with its scheduler, API and workers, in a process group of its own, for all tests that need one.

The demonstration shop plays 1 October 2026.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import URL, Engine, text

from conftest import ROOT
from habitue import customer_base
from habitue.airflow_home import AirflowHome
from habitue.database import connect, ensure_database, upgrade
from habitue.house import House

ON, JULY = date(2026, 10, 1), date(2026, 7, 1)
PATIENCE = 600
"""Seconds after which something that should have happened counts as not happening; a busy machine is slow."""
PEOPLE = dict.fromkeys(("ops1", "boss", "clerk", "olga"), "user")
PEOPLE |= {"admin": "admin", "eve": "viewer", "anna": "viewer"}
"""Who may log in, each with their name as password; anna is a call agent, by shop.yaml."""
CAREFUL = {"recipients": 10, "second_recipients": 20, "assignees": ["ops1"], "second_assignees": ["boss"]}


def now() -> datetime:
    return datetime(2026, 10, 1, 6, tzinfo=UTC)


def until(what: Callable[[], Any], why: str) -> Any:
    """What is true at last; asked every second."""
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, f"still not: {why}"
        time.sleep(1)
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Live:
    """The Airflow, as people reach it, and the house behind it."""

    client: httpx.Client
    source: Path
    settings: dict[str, str]
    engine: Engine
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def mails(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in Path(self.settings["HABITUE_OUT"], "emails").glob("*.eml")}

    def says(self, phone: str) -> None:
        """Writes the shop's settings: what is careful, and the telephone that letters name."""
        given = {"approval": CAREFUL, "phone": phone}
        file = (ROOT / "include" / "sources" / "demo_shop.yaml").read_text("utf-8")
        self.source.write_text(f"{file}\nshop: {json.dumps(given)}\n")

    def ask(self, who: str | None, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request of somebody who is logged in, or of a stranger."""
        headers = {}
        if who:
            if who not in self.tokens:
                login = self.client.post("/auth/token", json={"username": who, "password": who})
                self.tokens[who] = login.json()["access_token"]
            headers["authorization"] = f"Bearer {self.tokens[who]}"
        return self.client.request(method, path, json=body, headers=headers)

    def start(self, dag_id: str) -> str:
        answer = self.ask(
            "admin", "POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": now().isoformat(), "conf": {}}
        )
        assert answer.status_code == 200, answer.text
        return f"/api/v2/dags/{dag_id}/dagRuns/{answer.json()['dag_run_id']}"

    def tasks(self, run: str, task_id: str) -> list[str | None]:
        """The states of a task's instances, by map index."""
        found = self.ask("admin", "GET", f"{run}/taskInstances?limit=100").json()["task_instances"]
        mine = sorted((one["map_index"], one["state"]) for one in found if one["task_id"] == task_id)
        return [state for _, state in mine]

    def state(self, run: str) -> str:
        return str(self.ask("admin", "GET", run).json()["state"])

    def question(self, run: str, task_id: str, number: int = 0) -> str:
        """The text that people see, once the task is parked."""
        until(lambda: self.tasks(run, task_id)[number:] == ["awaiting_input"], f"{task_id} {number} asks")
        return str(self.ask("admin", "GET", f"{run}/taskInstances/{task_id}/{number}/hitlDetails").json()["body"])

    def answer(self, who: str | None, run: str, task_id: str, choice: str, number: int = 0) -> int:
        path = f"{run}/taskInstances/{task_id}/{number}/hitlDetails"
        return self.ask(who, "PATCH", path, {"chosen_options": [choice], "params_input": {}}).status_code

    def decide(self, who: str, run: str, task_id: str, choice: str, number: int = 0) -> None:
        """Answers, until the ledger has it. An answer within the second, before Airflow's scheduler has seen that the
        task parked, makes it think that the task died: it tries again, and asks again."""
        before = self.rows("select count(*) from approval")

        def heard() -> bool:
            if self.tasks(run, task_id)[number:] == ["awaiting_input"]:
                time.sleep(3)
                assert self.answer(who, run, task_id, choice, number) in (200, 409)
            return self.rows("select count(*) from approval") != before

        until(heard, f"{choice} of {who} for {task_id} {number} is in the ledger")

    def clear(self, run: str, *task_ids: str, below: bool) -> None:
        dag_id, run_id = run.split("/")[4], run.split("/")[6]
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "include_downstream": below,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        answer = self.ask("admin", "POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)
        assert answer.status_code == 200, answer.text

    def rows(self, sql: str, **given: Any) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), given)]


@pytest.fixture(scope="session")
def live(
    server: URL, airflow_database: Callable[[str], URL], exports: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    out = tmp_path_factory.mktemp("live")
    base = ensure_database(server, "habitue_live")
    engine = connect(base)
    upgrade(engine)
    port = free_port()
    settings = {
        "HABITUE_SOURCE": str(out / "careful_shop.yaml"),
        "HABITUE_DATA": str(exports),
        "HABITUE_OUT": str(out),
        "HABITUE_DATABASE_URL": base.render_as_string(hide_password=False),
        "HABITUE_SECRET": "for tests only",
        "HABITUE_TODAY": ON.isoformat(),
    }
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=120)
    found = Live(client, out / "careful_shop.yaml", settings, engine)
    found.says("+33199000100")
    house = House.of(settings)
    for on in (JULY, ON):
        for step in ("extract", "validate", "segment", "publish"):
            getattr(customer_base, step)(house, on)
    customer_base.load(house, ON, at=now())
    house.engine.dispose()
    home = AirflowHome(out / "airflow", airflow_database("airflow_live"), port)
    home.home.mkdir()
    (home.home / "passwords.json").write_text(json.dumps({who: who for who in PEOPLE}))
    extra = {
        **settings,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{who}:{role}" for who, role in PEOPLE.items()),
        "AIRFLOW__CORE__PARALLELISM": "3",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
    }
    environment = home.environment(extra)
    with (out / "airflow.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "keep_airflow.py")],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        until(lambda: process.poll() is None and answers(found), "Airflow answers")
        for dag_id in ("quarterly_letter", "private_event", "winback_calls"):
            until(
                lambda dag_id=dag_id: (
                    found.ask("admin", "PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False}).status_code == 200
                ),
                f"{dag_id} is there",
            )
        yield found
    finally:
        stop(process)
        client.close()
        engine.dispose()


def answers(live: Live) -> bool:
    try:
        return live.ask("admin", "GET", "/api/v2/version").status_code == 200
    except (httpx.HTTPError, KeyError, ValueError):
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """All of Airflow, and sees to it that nothing is left behind."""
    process.terminate()
    process.wait(timeout=120)
    left = [one for one in psutil.process_iter(["status"]) if group(one.pid) == process.pid]
    assert [one.pid for one in left if one.info["status"] != psutil.STATUS_ZOMBIE] == []  # the dead are nobody's work


def group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
