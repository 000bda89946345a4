"""A real PostgreSQL (the embedded one), a fake world around it. Airflow's settings stand before its first import."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import URL, Engine, create_engine, text

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(tempfile.mkdtemp(prefix="habitue-test-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)  # after the server's own, which was registered later
HOME.chmod(0o755)  # the embedded PostgreSQL of root runs as another user and must reach its folder

for name in [name for name in os.environ if name.startswith(("AIRFLOW", "HABITUE"))]:
    del os.environ[name]
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(HOME / "airflow" / "logs"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }
)

# A slow machine is no failure. The same examples are tried each time, so that a change is judged and not the dice;
# NEW_EXAMPLES=1 looks for others.
settings.register_profile("house", deadline=None, derandomize="NEW_EXAMPLES" not in os.environ)
settings.load_profile("house")

pytest_plugins = ["airflow_live"]
"""Its Airflow is started once for all files."""
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def server() -> Iterator[URL]:
    """Nothing in it needs to outlive a power cut."""
    from habitue.database import embedded

    with embedded(HOME / "postgres") as url:
        tell(url, *(f"alter system set {name} = off" for name in ("fsync", "full_page_writes", "synchronous_commit")))
        tell(url, "alter system set max_wal_size = '4GB'", "select pg_reload_conf()")
        yield url


def tell(server: URL, *commands: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for command in commands:
            connection.execute(text(command))
    engine.dispose()


@pytest.fixture(scope="session")
def migrated(server: URL) -> Iterator[Engine]:
    """One database with the base's tables for all tests."""
    from habitue.database import connect, ensure_database, upgrade

    engine = connect(ensure_database(server, "habitue_tests"))
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def base(migrated: Engine) -> Engine:
    """The base, empty. Only what isn't is emptied: to empty all takes ten times as long as to look."""
    from habitue.tables import metadata

    looks = (f"select '{name}' where exists (select 1 from {name})" for name in metadata.tables)  # noqa: S608
    with migrated.begin() as connection:
        if full := connection.scalars(text(" union all ".join(looks))).all():
            connection.execute(text(f"truncate {', '.join(full)} cascade"))
    return migrated


@pytest.fixture(scope="session")
def airflow_database(server: URL, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], URL]:
    """Makes databases for Airflows, as `airflow db migrate` leaves them: that is done once, and copied."""
    from habitue.airflow_home import AirflowHome
    from habitue.database import ensure_database

    made = "airflow_migrated"
    AirflowHome(tmp_path_factory.mktemp("airflow"), ensure_database(server, made)).migrate({})

    def copied(name: str) -> URL:
        tell(server, f"create database {name} template {made}")
        return server.set(database=name)

    return copied


@pytest.fixture(scope="session")
def real_shop() -> Path:
    folder = SHARED / "shop"
    if not folder.is_dir():
        pytest.skip(f"the real shop's exports are not here ({folder.relative_to(ROOT.parent)})")
    return folder


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demonstration shop of 400 customers."""
    from habitue.demo_shop import write_shop

    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder, customers=400, seed=3, until=date(2026, 9, 30))
    return folder
