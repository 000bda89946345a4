"""The commands for those who watch what mail providers tell: apply it, see what is kept apart, and how a run stands."""

from __future__ import annotations

import json
import logging
import os
import signal
from threading import Event as Signal
from typing import Annotated, Literal

import typer

from habitue.cli_runs import RunId, opened, say
from habitue.errors import LedgerError

events = typer.Typer(help="What SendGrid tells of mails: deliveries, bounces, complaints.", no_args_is_help=True)

# The closed list of tables.py, said again: reading that module would cost every command half a second.
Why = Literal["unknown_message", "unknown_type", "account", "unreadable"]


def mount(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.add_typer(events, name="events")


@events.command("apply")
def apply(
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C, as the public app does.")] = False,
) -> None:
    """Apply what was posted and waits: outcomes, suppressed addresses, withdrawn consents, the circuit breaker."""
    from habitue import clock
    from habitue import events as told

    with opened() as (house, at):
        if follow:
            logging.basicConfig(level=logging.INFO, format="%(message)s")
            stop = Signal()
            for one in (signal.SIGINT, signal.SIGTERM):
                signal.signal(one, lambda *_: stop.set())
            told.applier(house, lambda: clock.now(os.environ, house.shop.tz), stop)
            return
        done = told.Applied()
        while (some := told.apply(house.engine, key=house.mark_key, rules=house.shop.breaker, at=at)).posts:
            done.add(some)
        matched = told.match(house.engine, rules=house.shop.breaker, at=at)
        say(str(done))
        say(f"{matched} events kept apart before belong to messages of ours")
        for run_id, why in done.paused.items():
            say(f"paused {run_id}: {why}")


@events.command("list")
def listed(
    why: Annotated[Why | None, typer.Option(help="Only those that are kept apart for this reason.")] = None,
    most: Annotated[int, typer.Option(min=1, help="So many at most, the last ones first.")] = 20,
) -> None:
    """What waits, can't be read or belongs to no message of ours: how much of each, then ids and types."""
    from habitue import events as told

    with opened() as (house, _):
        for line in told.counts(house.engine):
            say(f"{line.what:<6}{line.why:<17}{line.type or '':<24}{line.number:>10}  since {line.since:%Y-%m-%d}")
        for row in told.listed(house.engine, why=why, most=most):
            say(f"{row['what']:<6}{row['why']:<17}{row['type'] or '':<24}{row['id']}  {row['at']:%Y-%m-%d %H:%M}")


@events.command("show")
def show(
    named: Annotated[str, typer.Argument(metavar="ID", help="Of a post or an event; `habitue events list` has them.")],
) -> None:
    """What is known of one of them. The post itself, with its addresses, stays in the base."""
    from habitue import events as told

    with opened() as (house, _):
        found = told.shown(house.engine, named)
        if found is None:
            raise LedgerError(f"{named[:60]!r} is no post and no event that is kept apart: see habitue events list")
        for name, value in found.items():
            say(f"{name:<13} {value}")


@events.command("standing")
def standing(
    run: RunId,
    as_json: Annotated[bool, typer.Option("--json", help="For a program: a list of objects.")] = False,
) -> None:
    """How far a run's mails got, and what stands against them."""
    from habitue import events as told

    with opened() as (house, _):
        found = told.standing(house.engine, run)
        if not found:
            raise LedgerError(f"run {run} has no mails: see habitue runs")
        if as_json:
            say(json.dumps([{"got": one.got, "against": one.against, "messages": one.messages} for one in found]))
            return
        for one in found:
            say(f"{one.got:<11}{one.against or '':<30}{one.messages:>10}")
