"""Airflow on this machine: its environment on the embedded PostgreSQL, one run through `airflow dags test`, the UI.

Airflow is started as a program, never imported: the package knows nothing of it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from time import sleep
from typing import Any

from sqlalchemy import URL

from habitue import connections
from habitue.connections import Connection
from habitue.errors import HabitueError
from habitue.shop import INCLUDE

ROOT = INCLUDE.parent
TASK_END = re.compile(r"\[DAG TEST\] end task task_id=(\S+) map_index=(-?\d+)")
Ask = Callable[..., dict[str, Any]]
"""Method, path, body; the answer."""
TASK_START = re.compile(r"\[DAG TEST\] starting task_id=(\S+) map_index=(-?\d+)")


def connection(name: str, settings: Mapping[str, str]) -> Connection | str:
    """The connection of that name as Airflow knows it: by its variable, else asked of the `airflow` beside us; or, in a
    sentence, why there is none. SettingError where the variable can't be read."""
    if written := settings.get(connections.variable(name)):
        return connections.read(name, written)
    command = shutil.which("airflow", path=f"{Path(sys.executable).parent}{os.pathsep}{settings.get('PATH', '')}")
    if command is None:
        return "Airflow is not here to be asked"
    asked = [command, "connections", "get", name, "--output", "json"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command and a name of shop.yaml
            asked, env=dict(settings), capture_output=True, text=True, timeout=60, check=False
        )
        found = json.loads(done.stdout[done.stdout.index("[") :])[0] if not done.returncode else {}
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError) as error:
        return f"Airflow can't be asked ({type(error).__name__})"
    if not found:
        return "Airflow has none" if "not found" in done.stdout + done.stderr else "Airflow can't be asked"
    kept = {key: found.get(key) for key in ("conn_type", "host", "port", "login", "password")}
    return connections.read(name, json.dumps({**kept, "extra": found.get("extra_dejson")}))


@dataclass(frozen=True)
class AirflowHome:
    """One Airflow with a home folder and a metadata database of its own."""

    home: Path
    database: URL
    port: int = 8080
    people: Mapping[str, str] = field(default_factory=lambda: {"admin": "admin"})
    """who may log in, with their role in Airflow's simple auth manager"""

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """What every Airflow process needs; `extra` lies over it."""
        url = self.database.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
        address = f"http://127.0.0.1:{self.port}"
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__CORE__DEFAULT_TIMEZONE": "utc",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{name}:{role}" for name, role in self.people.items()
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": address,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            **extra,
        }

    def migrate(self, extra: Mapping[str, str]) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._run(["airflow", "db", "migrate"], extra, self.home / "migrate.log")

    def test_dag(self, dag_id: str, on: date, extra: Mapping[str, str], *, seen: Callable[[str], None]) -> Path:
        """Runs the DAG for that date in one process; `seen` hears the name of each task that starts.

        Returns the log's path; HabitueError with its last lines where the run failed.
        """
        log = self.home / f"{dag_id}-{on.isoformat()}.log"
        self._run(["airflow", "dags", "test", dag_id, on.isoformat()], extra, log, seen=seen)
        return log

    def _run(
        self, command: list[str], extra: Mapping[str, str], log: Path, *, seen: Callable[[str], None] | None = None
    ) -> None:
        with (
            log.open("w", encoding="utf-8") as written,
            subprocess.Popen(  # noqa: S603 - a fixed command
                command,
                env=self.environment(extra),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process,
        ):
            if process.stdout is None:
                raise RuntimeError("no output of the process to read")
            for line in process.stdout:
                written.write(line)
                if seen and (found := TASK_START.search(line)):
                    seen(found[1])
        if process.returncode:
            lines = log.read_text("utf-8").splitlines()
            told = [line for line in lines if "Error" in line or "Refused" in line]
            raise HabitueError(
                "\n".join([f"`{' '.join(command)}` failed; the whole log is in {log}", *(told or lines)[-8:]])
            )

    def passwords(self) -> dict[str, str]:
        """Everybody's password, made once and kept in the home folder for its owner's eyes."""
        file = self.home / "passwords.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        if new := [name for name in self.people if name not in known]:
            self.home.mkdir(parents=True, exist_ok=True)
            known |= {name: secrets.token_urlsafe(9) for name in new}
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as written:
                json.dump(known, written)
        return {name: known[name] for name in self.people}

    @contextmanager
    def reached(self) -> Iterator[Ask]:
        """Its REST API, as the first of its people. Each question is put until Airflow, which may still be starting,
        or busy, answers it: 409 is an answer, what was asked for is there."""
        import httpx

        name, password = next(iter(self.passwords().items()))
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=60) as client:

            def ask(method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
                while True:
                    with suppress(httpx.HTTPError):
                        said = client.request(method, path, json=body)
                        if said.is_success or said.status_code == httpx.codes.CONFLICT:
                            return dict(said.json())
                    sleep(2)

            token = ask("POST", "/auth/token", {"username": name, "password": password})["access_token"]
            client.headers["authorization"] = f"Bearer {token}"
            yield ask

    def serve(self, extra: Mapping[str, str], *, pid_file: Path) -> int:
        """api-server, scheduler, dag-processor and triggerer, until SIGINT or SIGTERM; stops them all, then returns.

        They run in a process group of their own: a signal to one of them alone would leave the others behind.
        """
        with (self.home / "airflow.log").open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                ["airflow", "standalone"],  # noqa: S607 - the one in this environment, see PATH above
                env=self.environment(extra),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        pid_file.write_text(str(os.getpid()))

        def stop(_signal: int, _frame: object) -> None:
            os.killpg(process.pid, signal.SIGTERM)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            code = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            pid_file.unlink(missing_ok=True)
        return 0 if code in (0, -signal.SIGTERM, 143) else code
