"""The one place where Airflow's world becomes plain values (the environment, connections, a run's date, the clock), and
our errors become what Airflow does about them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog
from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule, get_current_context
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowRescheduleException
from airflow.sdk.observability import stats
from airflow.sdk.timezone import utcnow

from habitue import clock, connections
from habitue.errors import BatchRefused, LedgerError, SendError, SettingError, TemplateError, Waiting
from habitue.house import House
from habitue.providers import Access
from habitue.schedules import Schedule
from habitue.shop import SenderSettings, Shop
from habitue.tidings import Tidings

OWNER = "marketing-ops"

ASK_AGAIN = timedelta(minutes=1)
"""How often a task that waits looks whether it may go on."""

RETRY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[BatchRefused, LedgerError, SettingError, TemplateError],
            action=RetryAction.FAIL,
            reason="trying again can't help: a person must look at it",
        )
    ]
)

log = logging.getLogger(__name__)


def tried_again(*, after: timedelta) -> dict[str, Any]:
    """What the tasks of a DAG of ours share: who owns them, and that they are tried twice more, where that may help."""
    return {"owner": OWNER, "retries": 2, "retry_delay": after, "retry_policy": RETRY}


Given = ParamSpec("Given")
Returned = TypeVar("Returned")


def shop() -> Shop:
    """The shop's settings with the source's overrides; needs no database, so that DAG files can be parsed anywhere."""
    return House.settings(os.environ)


def house() -> House:
    """The house; where its sender is an Airflow connection, that lets it in. SettingError where there is none."""
    found = replace(House.of(os.environ), tidings=tidings())
    return replace(found, access=sender_access(found.shop.sender)) if found.shop.sender.connection else found


def tidings() -> Tidings:
    """To Airflow's own figures, below `habitue.`, wherever its settings send these (StatsD, OpenTelemetry, nowhere);
    and to its structured log, as keys."""
    return Tidings(
        count=lambda name, number: stats.incr(f"habitue.{name}", number) if number else None,
        measure=lambda name, value: stats.gauge(f"habitue.{name}", value),
        say=structlog.get_logger(logger_name="habitue").log,
    )


def step(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """A task's function: each line that is logged while it works, whoever logs it, carries our `run` and `shard`
    (`run_id` is Airflow's own), and how long it took is told as `habitue.steps.<task>`."""

    @wraps(function)
    def told(*args: Given.args, **kwargs: Given.kwargs) -> Returned:
        context: Any = get_current_context()
        dag_id, task_id = context["ti"].dag_id, context["ti"].task_id
        about: dict[str, Any] = {"run": f"{dag_id}:{run_day(context)}"}
        if shard := kwargs.get("shard"):
            about["shard"] = shard
        with (
            structlog.contextvars.bound_contextvars(**about),
            stats.timer(f"habitue.steps.{task_id}", tags={"dag_id": dag_id}),
        ):
            return function(*args, **kwargs)

    return told


def sender_access(sender: SenderSettings) -> Access:
    """What the Airflow connection that the shop's sender names says."""
    from airflow.sdk import Connection

    name = sender.connection or ""
    try:
        found = Connection.get(name)
    except AirflowNotFoundException:
        raise connections.missing(name) from None
    plain = connections.Connection(
        found.conn_type, found.host, found.port, found.login, found.password, found.extra_dejson
    )
    return connections.access(name, sender.kind, plain)


def run_day(context: dict[str, Any]) -> date:
    """The run's date in the shop's time zone. Runs that an asset or a person starts have no logical date: they are of
    the day on which they start, or of that which a demonstration plays, also of a day to come (of which Airflow starts
    no run that has a logical date)."""
    run = context["dag_run"]
    moment: datetime = run.logical_date or (now() if os.environ.get("HABITUE_TODAY") else run.run_after)
    return moment.astimezone(shop().tz).date()


def now() -> datetime:
    """The moment, in UTC; on the day HABITUE_TODAY where a demonstration plays a day of the past."""
    return clock.now(os.environ, shop().tz)


def today(context: dict[str, Any]) -> date:
    """The day on which consent is asked again before anything leaves."""
    return max(run_day(context), now().astimezone(shop().tz).date())


def is_rehearsal(context: dict[str, Any], schedule: Schedule) -> bool:
    """Whether the run plans and renders only: a backfill, or a scheduled run that catches up with a slot after which
    the next one has passed already. Nobody wants last quarter's letter."""
    run = context["dag_run"]
    kind = str(getattr(run.run_type, "value", run.run_type))
    if kind != "scheduled":
        return kind == "backfill"
    following = schedule.next_after(run.run_after, shop().tz)
    return following is not None and following <= now()


def is_alone(context: dict[str, Any]) -> bool:
    """Whether this is `airflow dags test`: one process and no scheduler, so that whoever waits waits for ever."""
    return bool(context["dag_run"].triggering_user_name == "dag_test")


def plays_a_demonstration() -> bool:
    """A demonstration asks nobody, and nothing of it leaves: mails stay in the outbox's folder."""
    return bool(os.environ.get("HABITUE_DEMONSTRATION")) and shop().sender.kind == "outbox"


@contextmanager
def what_airflow_does(context: dict[str, Any]) -> Iterator[None]:
    """Waits without holding a slot or using up a retry where messages must wait; gives up at once where the provider
    says that trying again can't help."""
    try:
        yield
    except Waiting as waiting:
        if is_alone(context):
            raise AirflowFailException(f"{waiting}. `airflow dags test` waits for nobody: run it again then") from None
        log.info("waiting: %s", waiting)
        pause = ASK_AGAIN if waiting.until is None else max(ASK_AGAIN, waiting.until - now())
        raise AirflowRescheduleException(utcnow() + pause) from None
    except SendError as error:
        if error.permanent:
            raise AirflowFailException(str(error)) from error
        raise


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
