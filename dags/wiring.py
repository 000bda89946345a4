"""The one place where Airflow's world becomes plain values: the environment, connections, a run's date, the clock."""

from __future__ import annotations

import os
from datetime import date, datetime
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from habitue import clock
from habitue.errors import BatchRefused, LedgerError, SettingError, TemplateError
from habitue.house import House
from habitue.shop import Shop

OWNER = "marketing-ops"

RETRY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[BatchRefused, LedgerError, SettingError, TemplateError],
            action=RetryAction.FAIL,
            reason="trying again can't help: a person must look at it",
        )
    ]
)


def shop() -> Shop:
    """The shop's settings with the source's overrides; needs no database, so that DAG files can be parsed anywhere."""
    return House.settings(os.environ)


def house() -> House:
    return House.of(os.environ)


def run_day(context: dict[str, Any]) -> date:
    """The run's date in the shop's time zone. Runs that an asset or a person starts have no logical date."""
    run = context["dag_run"]
    moment: datetime = run.logical_date or run.run_after
    return moment.astimezone(shop().tz).date()


def now() -> datetime:
    """The moment, in UTC; on the day HABITUE_TODAY where a demonstration plays a day of the past."""
    return clock.now(os.environ, shop().tz)


def today(context: dict[str, Any]) -> date:
    """The day on which consent is asked again before anything leaves."""
    return max(run_day(context), now().astimezone(shop().tz).date())


def is_backfill(context: dict[str, Any]) -> bool:
    kind = context["dag_run"].run_type
    return str(getattr(kind, "value", kind)) == "backfill"


def source_url(connection_id: str | None) -> str | None:
    """An Airflow connection as a SQLAlchemy URL (`Connection.get_uri()` is none: it says `postgres://`)."""
    if connection_id is None:
        return None
    from airflow.sdk import Connection
    from sqlalchemy import URL

    found = Connection.get(connection_id)
    drivers = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
    url = URL.create(
        drivers.get(found.conn_type, found.conn_type),
        username=found.login,
        password=found.password,
        host=found.host,
        port=found.port,
        database=found.schema,
    )
    return url.render_as_string(hide_password=False)
