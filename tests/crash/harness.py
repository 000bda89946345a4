"""The crash harness: workers are killed at random moments, the database is struck down under them, the provider
misbehaves; then the run is resumed, and what the provider took is compared with what the ledger says.

1. A base is filled, a run planned, and (`restored`) a copy of the database taken.
2. Rounds. Two or three workers deliver; each is killed after so many mails have arrived or so much time has
   gone: so some die between the provider's receipt and our settling. In some rounds the database is
   struck down, once the run is paused and resumed, in between people say no.
3. Between rounds, when no worker lives, the trial's clock moves beyond the lease: only dead workers' claims run out.
4. A well-behaved provider takes over, and workers deliver until nothing is left. Then the verdict.
"""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from sqlalchemy import URL, Connection, text
from tests.crash.servers import Database, Provider, lines_of, provider, quiet, taken
from tests.crash.town import AT, audience, house, settle
from tests.crash.verdict import SETTLED, Death, Evidence
from tests.crash.worker import End, Task, work

from habitue import controls
from habitue.database import connect
from habitue.ledger import LEASE, tallies
from habitue.plans import shards

OFTEN, SELDOM = 0.005, 0.001
FAULTS = {
    "smtp": {"slow": 0.05, "mail 550": SELDOM}
    | dict.fromkeys(["mail 421", "mail 450", "mail garbage", "rcpt 450", "rcpt 550", "rcpt reset", "data 451"], OFTEN)
    | dict.fromkeys(["dot 421", "dot 451", "dot 554", "reset early", "reset late", "dot garbage"], OFTEN),
    "sendgrid": {"401": SELDOM}
    | dict.fromkeys(["413", "429", "500", "502", "503", "garbage 400", "ok 200"], OFTEN)
    | dict.fromkeys(["reset early", "reset late", "garbage"], OFTEN),
}
"""How often the provider misbehaves in which way, a mail."""
SLOW = {"smtp": 0.1, "sendgrid": 0.02}
"""Seconds that an answer is late: some of the mail server's, each of SendGrid's."""
CREW = 3
PROCESSES = multiprocessing.get_context("forkserver")
"""Workers are forked from a process that has imported what they need: an import takes longer than a trial's life."""
PROCESSES.set_forkserver_preload(
    [
        *("tests.crash.town", "habitue.deliveries", "sqlalchemy.dialects.postgresql.psycopg", "psycopg"),
        *("duckdb", "pyarrow", "pandas", "phonenumbers", "mjml", "sendgrid.helpers.mail", "aiohttp"),
    ]
)


@dataclass
class Fate:
    """When a worker is killed: once the provider's record has grown beyond `size` bytes, or so many seconds after it
    began to deliver, or after it was started."""

    size: float = inf
    work: float = inf
    life: float = inf


@dataclass
class Worker:
    task: Task
    process: multiprocessing.process.BaseProcess
    began: Pipe
    fate: Fate
    killed: bool = False
    started: float = field(default_factory=time.monotonic)
    at_work: float | None = None

    def meets(self, fate: Fate, arrived: int) -> bool:
        """Whether its time has come; `arrived`: the bytes of the provider's record."""
        now = time.monotonic()
        if self.at_work is None and self.began.poll():
            self.at_work = now
        if now - self.started > fate.life:
            return True
        return self.at_work is not None and (arrived > fate.size or now - self.at_work > fate.work)


@dataclass
class Trial:
    """One run and what is done to it."""

    folder: Path
    database: Database
    url: URL
    kind: str
    claim: int
    seed: int
    delivery: str = "at_most_once"
    refused: float = 1.0
    people: int = 0
    deaths: list[Death] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unwilling: set[str] = field(default_factory=set)
    noted: set[str] = field(default_factory=set)
    kills: int = 0
    restarts: int = 0
    workers: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.started = time.monotonic()
        self.clock = AT - timedelta(seconds=self.started)
        self.record, self.doubts = self.folder / "taken", self.folder / "doubts"
        self.engine = connect(self.url)

    def plan(self, messages: int) -> None:
        self.people = audience(messages)
        here = house(self.folder / "out", self.address())
        self.run_id = settle(here, people=self.people, delivery=self.delivery)
        here.engine.dispose()

    def address(self, name: str = "harness") -> str:
        return self.url.update_query_dict({"application_name": name}).render_as_string(hide_password=False)

    def now(self) -> datetime:
        return self.clock + timedelta(seconds=time.monotonic())

    def arrived(self) -> int:
        """Bytes of the provider's record."""
        return self.record.stat().st_size if self.record.exists() else 0

    @property
    def line(self) -> int:
        """Bytes of a line of the record."""
        return 37 if self.kind == "smtp" else len(" accepted") + 37

    def counted(self, *states: str) -> int:
        with self.engine.connect() as connection:
            asked = text("select count(*) from message where run_id = :run and state = any(:states)")
            return int(connection.scalar(asked, {"run": self.run_id, "states": list(states)}) or 0)

    # Workers

    def start(self, shard: str, to: Provider, fate: Fate | None = None) -> Worker:
        self.workers += 1
        name = f"worker-{self.workers:03}"
        task = Task(
            name=name,
            shard=shard,
            kind=self.kind,
            port=to.port,
            database_url=self.address(name),
            out=self.folder / "out",
            clock=self.clock,
            claim=self.claim,
            refused=self.refused,
        )
        began, says = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=work, args=(task, says), daemon=True)
        process.start()
        says.close()
        return Worker(task, process, began, fate or Fate())

    def kill(self, worker: Worker) -> None:
        worker.process.kill()
        worker.process.join()
        worker.killed = worker.process.exitcode == -signal.SIGKILL
        self.kills += worker.killed

    def bury(self, worker: Worker, *, struck: bool) -> End | None:
        """Sees to a dead worker: what did it leave without an answer?"""
        worker.process.join()
        end = None if worker.killed else End(worker.process.exitcode or 0)
        if end is End.FAILED or (end is End.NO_DATABASE and not struck):
            self.wrong.append(f"{worker.task.name} ended with {end.name}")
        quiet(self.engine, worker.task.name)
        with self.engine.connect() as connection:
            asked = text("select message_id::text from message where state = 'claimed' and claimed_by = :name")
            left = frozenset(connection.scalars(asked, {"name": worker.task.name}))
        excuse = "killed" if worker.killed else "database" if end is End.NO_DATABASE else None
        self.deaths.append(Death(worker.task.name, excuse, left))
        return end

    def watch(self, crew: list[Worker], strike: Fate | None = None) -> list[End | None]:
        """Kills those whose time has come, until all are dead; strikes the database down under the first that this
        fate finds."""
        begun, struck, ends = time.monotonic(), False, []
        while crew:
            arrived = self.arrived()
            for worker in list(crew):
                if worker.process.is_alive() and worker.meets(worker.fate, arrived):
                    self.kill(worker)
                if not worker.process.is_alive():
                    crew.remove(worker)
                    ends.append(self.bury(worker, struck=struck))
            if strike and not struck and any(worker.meets(strike, arrived) for worker in crew):
                struck = True
                self.strike(crew)
            assert time.monotonic() - begun < LEASE.total_seconds() - 60, "a lease must not run out in a round"
            time.sleep(0.003)
        return ends

    def strike(self, crew: list[Worker]) -> None:
        """Strikes the database down and starts it again; now and then a worker is killed while it is away."""
        self.restarts += 1
        self.database.strike_down()
        time.sleep(self.chance.uniform(0, 0.5))
        if self.chance.random() < 0.3:
            self.kill(self.chance.choice(crew))
        self.database.start()

    # What is done to the run

    def later(self) -> None:
        """Beyond the lease. Nobody lives whose claim could run out by it."""
        self.clock += LEASE + timedelta(minutes=1)

    def crew(self, to: Provider, pace: int, *, strike: bool) -> list[End | None]:
        """One round: some workers deliver until they die, or the database under them does. About `pace` mails leave."""
        parts, before, most = self.shards("planned"), self.arrived(), self.line * pace
        at = Fate(size=before + self.chance.uniform(0, most), work=self.chance.uniform(0, 4)) if strike else None
        fates = [Fate(size=before + 2 * most) if strike else self.fate(before, most) for _ in range(CREW)]
        return self.watch([self.start(self.chance.choice(parts), to, fate) for fate in fates], at)

    def fate(self, before: int, most: int) -> Fate:
        """Most die when some of the next mails have arrived, some at any moment of their lives."""
        match self.chance.random():
            case often if often < 0.7:
                return Fate(size=before + self.chance.uniform(0, most))
            case sometimes if sometimes < 0.9:
                return Fate(size=before + most, work=self.chance.uniform(0, 2))
        return Fate(size=before + most, life=self.chance.uniform(0, 2))

    def shards(self, *states: str) -> list[str]:
        """Those of which something is in one of these states."""
        with self.engine.connect() as connection:
            asked = text("select distinct shard from message where run_id = :run and state = any(:states)")
            numbers = set(connection.scalars(asked, {"run": self.run_id, "states": list(states)}))
        return [str(one) for one in shards(self.engine, self.run_id) if one.number in numbers]

    def rounds(self, to: Provider, kills: int, strikes: int) -> None:
        """So many kills, and in between so many restarts, a pause, and people who say no."""
        paused = False
        while self.kills < kills and (waiting := self.counted("planned")):
            self.later()
            self.say_no(2)
            if not paused and self.kills >= kills / 2:
                paused = True
                self.pause(to)
                continue
            strike = self.restarts < strikes and self.kills >= (self.restarts + 0.5) * kills / strikes
            pace = waiting * CREW // (kills - self.kills + CREW) - CREW * self.claim
            self.crew(to, max(1, pace), strike=strike)

    def say_no(self, count: int) -> None:
        """Some who are still to be written to don't want to be any more."""
        chosen = text(
            "select customer_id, message_id::text from message "
            "where run_id = :run and state = 'planned' and attempt = 0 and not message_id = any(cast(:said as uuid[])) "
            "order by message_id limit :count"
        )
        said = text(
            "insert into consent (customer_id, channel, purpose, status, recorded_at, known_at) "
            "values (:who, 'email', 'marketing', 'withdrawn', :at, :at)"
        )
        with self.engine.begin() as connection:
            asked = {"run": self.run_id, "count": count, "said": list(self.unwilling)}
            for row in connection.execute(chosen, asked).all():
                connection.execute(said, {"who": row.customer_id, "at": self.now()})
                self.unwilling.add(row.message_id)

    def pause(self, to: Provider) -> None:
        """Pauses the run under its workers; nothing may leave until it is resumed."""
        parts = self.shards("planned")
        crew = [self.start(shard, to) for shard in parts]
        self.wait_for_mail(crew)
        controls.pause(self.engine, self.run_id, by="the harness", reason="a trial", at=self.now())
        self.watch(crew)
        self.stands_still(to)
        controls.resume(self.engine, self.run_id, by="the harness", at=self.now())

    def stands_still(self, to: Provider) -> None:
        """The run is paused: something is left to send, all who would must wait, and nothing leaves."""
        before = self.arrived()
        ends = self.watch([self.start(shard, to) for shard in self.shards("planned")])
        if self.arrived() != before or set(ends) != {End.WAITING}:
            self.wrong.append(f"mails left, or nobody waited, while the run should stand still: {ends}")

    def wait_for_mail(self, crew: list[Worker]) -> None:
        before = self.arrived()
        while self.arrived() == before and any(worker.process.is_alive() for worker in crew):
            time.sleep(0.003)

    def finish(self, to: Provider) -> None:
        """Resumes calmly until nothing is planned or claimed."""
        for _ in range(10):
            if not (parts := self.shards("planned", "claimed")):
                return
            self.later()
            for shard in parts:
                self.watch([self.start(shard, to)])
        self.wrong.append("ten calm rounds did not finish the run")

    def forget(self) -> None:
        """The database was restored: it knows of nobody who was written to. The journal does."""
        if left := self.counted("claimed", *SETTLED):
            self.wrong.append(f"the restored database knows of {left} messages, and should know of none")
        self.noted = {line for file in self.folder.rglob("claims/*.log") for line in lines_of(file)}
        self.deaths.clear()

    # What is said in the end

    @property
    def taken(self) -> list[str]:
        return taken(self.kind, self.record)

    def evidence(self) -> Evidence:
        """What the ledger says, and what the provider's record says."""
        with self.engine.connect() as connection:
            of_run = {"run": self.run_id}
            run = connection.execute(text("select * from run where run_id = :run"), of_run).mappings().one()
            asked = text("select message_id::text, state, reason from message where run_id = :run")
            messages = connection.execute(asked, of_run).all()
            return Evidence(
                people=self.people,
                audience=run["audience"],
                planned=run["planned"],
                excluded=int(
                    connection.scalar(text("select count(*) from exclusion where run_id = :run"), of_run) or 0
                ),
                held_out=int(connection.scalar(text("select count(*) from holdout where run_id = :run"), of_run) or 0),
                states={row.message_id: row.state for row in messages},
                reasons={row.message_id: row.reason for row in messages},
                tallies=tallies(connection, self.run_id),
                taken=self.taken,
                swallowed=frozenset(lines_of(self.doubts)),
                deaths=self.deaths,
                claim=self.claim,
                delivery=self.delivery,
                kills=self.kills,
                restarts=self.restarts,
                seconds=time.monotonic() - self.started,
                noted=frozenset(self.noted),
                unwilling=frozenset(self.unwilling),
                wrong=self.wrong,
            )

    def _rows(self, connection: Connection, table: str) -> int:
        asked = text(f"select count(*) from {table} where run_id = :run")  # noqa: S608 - two names of ours
        return int(connection.scalar(asked, {"run": self.run_id}) or 0)

    def provider(self, faults: Mapping[str, float] | None = None) -> AbstractContextManager[Provider]:
        slow = SLOW[self.kind] if faults else 0
        return provider(self.kind, self.record, self.doubts, faults=faults, seed=self.seed, slow=slow)


@contextmanager
def trial(folder: Path, database: Database, name: str, kind: str, messages: int, **chosen: object) -> Iterator[Trial]:
    """A run, planned, in a database and a folder of its own."""
    place = folder / name
    place.mkdir()
    made = Trial(place, database, database.made(name), kind, **chosen)  # type: ignore[arg-type]
    made.plan(messages)
    try:
        yield made
    finally:
        made.engine.dispose()
        database.drop(made.url)


def killed(
    folder: Path,
    database: Database,
    kind: str,
    *,
    messages: int,
    kills: int,
    restarts: int,
    seed: int,
    delivery: str = "at_most_once",
) -> Evidence:
    """Workers are killed, the database is struck down, the provider misbehaves; then all is resumed."""
    claim = max(3, messages // (3 * kills))
    named = f"{kind}_{delivery}"
    with trial(folder, database, named, kind, messages, claim=claim, seed=seed, delivery=delivery) as run:
        with run.provider(FAULTS[kind]) as wild:
            run.rounds(wild, kills, restarts)
        if run.kills < kills:
            run.wrong.append(f"only {run.kills} workers could be killed: too few messages for {kills}")
        with run.provider() as calm:
            run.finish(calm)
        return run.evidence()


def restored(folder: Path, database: Database, kind: str, *, messages: int, seed: int) -> Evidence:
    """The database is lost when half has left, and restored from a copy that knows of none of it."""
    named = f"{kind}_restored"
    with trial(folder, database, named, kind, messages, claim=max(3, messages // 20), seed=seed) as run:
        copy = folder / f"{named}.dump"
        database.dump(run.url, copy)
        with run.provider() as calm:
            half = Fate(size=run.line * messages / 2)
            run.watch([run.start(one, calm, half) for one in run.shards("planned")])
            database.restore(run.url, copy)
            run.forget()
            run.finish(calm)
        return run.evidence()


def broken(folder: Path, database: Database, kind: str, *, messages: int, seed: int) -> Evidence:
    """Half of all mails are refused: the circuit breaker pauses the run; a person sees to it and resumes."""
    named, refused = f"{kind}_broken", {"smtp": "rcpt 550", "sendgrid": "413"}[kind]
    with trial(folder, database, named, kind, messages, claim=20, seed=seed, refused=0.1) as run:
        with run.provider({refused: 0.5}) as wild:
            run.watch([run.start(one, wild) for one in run.shards("planned")])
            run.stands_still(wild)
        controls.resume(run.engine, run.run_id, by="the harness", at=run.now())
        with run.provider() as calm:
            run.finish(calm)
        return run.evidence()
