"""A worker: one process that delivers one shard as a task of Airflow's would, until it is done or dead."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from multiprocessing.connection import Connection
from pathlib import Path


class End(IntEnum):
    """How a worker ended that nobody killed: its exit code."""

    DONE = 0
    FAILED = 1
    """by an error that nobody expected"""
    WAITING = 3
    """nothing may leave now"""
    STOPPED = 4
    """the provider takes no more, or has put mails off"""
    NO_DATABASE = 5


@dataclass(frozen=True)
class Task:
    """What a worker is to do. `name` is its name in the ledger and in PostgreSQL; `clock` is the moment at which
    `time.monotonic()` was 0, on the trial's calendar."""

    name: str
    shard: str
    kind: str
    port: int
    database_url: str
    out: Path
    clock: datetime
    claim: int
    refused: float


def work(task: Task, began: Connection) -> None:
    """Delivers, and says so once it is about to."""
    from sqlalchemy.exc import OperationalError

    from habitue.errors import SendError, Waiting

    try:
        deliver(task, began)
        end = End.DONE
    except Waiting:
        end = End.WAITING
    except SendError:
        end = End.STOPPED
    except OperationalError:
        end = End.NO_DATABASE
    except Exception as error:
        print(f"{task.name}: {type(error).__name__} at {_place(error)}", file=sys.stderr, flush=True)
        end = End.FAILED
    os._exit(end)


def deliver(task: Task, began: Connection) -> None:
    from tests.crash.town import ON, house

    from habitue import deliveries
    from habitue.plans import Shard
    from habitue.postbag import Patience
    from habitue.providers import open_sender
    from habitue.recipients import Run
    from habitue.sendgrid_api import SendGrid
    from habitue.smtp import Smtp

    deliveries.CLAIM = task.claim
    here = house(task.out, task.database_url, port=task.port, kind=task.kind, refused=task.refused)
    shard = Shard.parse(task.shard)
    desk = deliveries.Desk(here, Run.of(here.engine, shard.run_id), task.name, shard=shard)
    sender = open_sender(here.shop, here.access, out=here.out)
    assert isinstance(sender, Smtp | SendGrid)
    sender.patience = Patience(first=0.1, longest=2)  # else most of a trial is waiting
    emails = deliveries.Emails(desk, sender)
    began.send_bytes(b"now")
    emails.deliver(shard, on=ON, now=lambda: task.clock + timedelta(seconds=time.monotonic()))


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
