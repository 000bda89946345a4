"""Sending: from a customer's facts to a server's answer, a batch of 500 at a time, beside what one would use instead.

The servers are the tests' own, each a process on 127.0.0.1: a mail server that answers at once, and SendGrid's API
20 ms away. They share the machine with the sender, so beside the clock's seconds stand the CPU seconds of the sending
process alone; each the best of several rounds. The usual ways open a connection a mail.
"""

from __future__ import annotations

import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.emails import SHOP, by_stdlib, context, mail
from habitue.emails import EmailTemplate
from habitue.mime import Mail, envelope, write
from habitue.senders import Sender, Status
from habitue.sendgrid_api import SendGrid, payload
from habitue.smtp import Smtp
from habitue.smtp_connection import Server

SERVERS = Path(__file__).resolve().parents[1] / "tests"
BATCH = 500
ROUNDS = 2
LATENCY = "0.02"

Way = Callable[[Iterator[Mail], int], None]
"""Sends mails that are rendered as they are taken, to the server at this port."""


def ours(sender: Sender, mails: Iterator[Mail]) -> None:
    from itertools import islice

    with closing(sender):
        while batch := list(islice(mails, BATCH)):
            answer = sender.send(batch)
            assert answer.stopped is None
            assert all(receipt.status is Status.ACCEPTED for receipt in answer.receipts)


def by_smtp(mails: Iterator[Mail], port: int) -> None:
    ours(Smtp(Server("127.0.0.1", port, "none", "shop.example", timeout=30)), mails)


def by_smtplib(mails: Iterator[Mail], port: int) -> None:
    for one in mails:
        with smtplib.SMTP("127.0.0.1", port, "shop.example") as server:
            server.sendmail(*envelope(one), by_stdlib(one))


def by_smtplib_with_our_bytes(mails: Iterator[Mail], port: int) -> None:
    for one in mails:
        with smtplib.SMTP("127.0.0.1", port, "shop.example") as server:
            server.sendmail(*envelope(one), write(one))


def by_sendgrid(mails: Iterator[Mail], port: int) -> None:
    ours(SendGrid("key", f"http://127.0.0.1:{port}", connections=32), mails)


def by_its_client(mails: Iterator[Mail], port: int) -> None:
    from sendgrid import SendGridAPIClient

    client = SendGridAPIClient("key", host=f"http://127.0.0.1:{port}")
    for one in mails:
        answer = client.client.mail.send.post(request_body=payload([one], sandbox=False))
        assert answer.status_code == 202


SMTP_WAYS: dict[str, tuple[Way, int]] = {
    "SMTP: habitue, 8 connections": (by_smtp, 1500),
    "smtplib and EmailMessage": (by_smtplib, 150),
    "smtplib with our bytes": (by_smtplib_with_our_bytes, 300),
}
SENDGRID_WAYS: dict[str, tuple[Way, int]] = {
    "SendGrid: habitue, 32 at once": (by_sendgrid, 1500),
    "the sendgrid client": (by_its_client, 50),
}


@contextmanager
def server(script: str, folder: Path, *options: str) -> Iterator[int]:
    command = [sys.executable, str(SERVERS / script), "--record", str(folder / script), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def measure(way: Way, count: int, port: int) -> tuple[float, float]:
    """Mails a second, and mails a CPU second."""
    template = EmailTemplate.load("quarterly/lapsed", "fr", SHOP)
    clock = cpu = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter(), time.process_time()
        way((mail(number, template.render(context(number))) for number in range(count)), port)
        clock = min(clock, (time.perf_counter() - start[0]) / count)
        cpu = min(cpu, (time.process_time() - start[1]) / count)
    return 1 / clock, 1 / cpu


def main() -> None:
    """Prints mails a second and a CPU second of each way, rendered and sent, and the ratios to the usual one."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Rendered and sent, one process", title_justify="left")
    for heading in ("", "a second", "ratio", "a CPU second", "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    with tempfile.TemporaryDirectory() as folder:
        for ways, script, options in (
            (SMTP_WAYS, "smtp_sink.py", ()),
            (SENDGRID_WAYS, "sendgrid_stub.py", ("--latency", LATENCY)),
        ):
            with server(script, Path(folder), *options) as port:
                found = {name: measure(way, count, port) for name, (way, count) in ways.items()}
            usual = list(found.values())[1]
            for name, speeds in found.items():
                pairs = zip(speeds, usual, strict=True)
                table.add_row(name, *(cell for one, of in pairs for cell in (f"{one:,.0f}", f"{one / of:.1f} ×")))
    Console().print(table)


if __name__ == "__main__":
    main()
