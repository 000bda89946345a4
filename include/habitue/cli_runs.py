"""The commands for those who watch runs: how they stand, pause, resume, cancel, stop, go, approve, accept, settle."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from habitue.errors import LedgerError

if TYPE_CHECKING:
    from habitue.controls import Approvals
    from habitue.house import House
    from habitue.overview import RunLine
    from habitue.tables import Channel

console = Console(highlight=False, soft_wrap=True)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run, as campaign:date; `habitue runs` lists them.")]
Why = Annotated[str, typer.Option(help="The reason, for those who ask later; no customer's name.")]
By = Annotated[str, typer.Option(default_factory=getpass.getuser, help="Who says so; default: the login name.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


class Saying(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    PLANNED = "planned"


@contextmanager
def opened() -> Iterator[tuple[House, datetime]]:
    """The house and the moment."""
    from habitue import doors

    with doors.opened(os.environ) as found:
        yield found


def say(text: str) -> None:
    console.print(text, markup=False)


def mount(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command()(runs)
    app.command()(pause)
    app.command()(resume)
    app.command()(cancel)
    app.command()(stop)
    app.command()(go)
    app.command()(approve)
    app.command()(accept)
    app.command()(settle)


def runs(
    as_json: Annotated[bool, typer.Option("--json", help="For a program: a list of objects.")] = False,
) -> None:
    """The last runs: whether their messages may leave, and what has become of these."""
    from habitue import allowances, overview

    with opened() as (house, at):
        lines, pulled = overview.runs(house.engine, at=at), overview.stopped(house.engine)
        if as_json:
            found = [{**asdict(line), "standing": line.standing} for line in lines]
            typer.echo(json.dumps(found, indent=1, ensure_ascii=False, default=str))
            return
        if pulled:
            say(f"Nothing leaves: stopped by {pulled.by}, {_moment(pulled.at, house)} ({pulled.reason})")
        used = allowances.used(house.engine, house.shop, at=at)
        if used is not None:
            day, most = used.allowance.day, used.allowance.most
            say(f"E-mails of {day}: {used.mails} of {most} have left (sender.warm_up, sender.daily_cap)")
        for line in lines:
            for text in _told(line, house):
                say(text)
            if used is not None and not used.left and line.mails_waiting and line.shut is None:
                say(f"  {line.mails_waiting} e-mails wait until {used.goes_on(house.shop)}: today's are used up")
        if not lines:
            say("no run is planned yet")


def pause(run_id: RunId, why: Why, by: By) -> None:
    """Let nothing more of a run leave, until it is resumed."""
    from habitue import controls, overview

    with opened() as (house, at):
        done = controls.pause(house.engine, run_id, by=by, reason=why, at=at)
        line = overview.one_run(house.engine, run_id, at=at)
        say(f"{run_id} {'is' if done else 'was already'} paused: {line.waiting} messages wait")


def resume(run_id: RunId, by: By) -> None:
    """Let a paused run go on, or one whose send window is over."""
    from habitue import controls, overview

    with opened() as (house, at):
        done = controls.resume(house.engine, run_id, by=by, at=at)
        line = overview.one_run(house.engine, run_id, at=at)
        say(f"{run_id} {'goes on' if done else 'was not paused'}: {line.waiting} messages wait")
        if done:
            until = _moment(line.deliver_until, house)
            say(f"They may leave until {until}: by themselves where the task `deliver` waits, else clear it")


def cancel(run_id: RunId, why: Why, by: By, yes: Yes = False) -> None:
    """End a run for good: what has not left never will."""
    from habitue import controls, overview

    with opened() as (house, at):
        waiting = overview.one_run(house.engine, run_id, at=at).waiting
        if not yes:
            typer.confirm(f"{waiting} messages of {run_id} will never leave, for good. Cancel it?", abort=True)
        ended = controls.cancel(house.engine, run_id, by=by, reason=why, at=at)
        say(f"{run_id} is cancelled: {ended} messages ended")


def stop(why: Why, by: By) -> None:
    """The kill switch: let nothing leave, of any run."""
    from habitue import controls

    with opened() as (house, at):
        done = controls.stop_all(house.engine, by=by, reason=why, at=at)
        say(f"{'Nothing leaves' if done else 'It was stopped already'}; `habitue go` lifts it")


def go(by: By) -> None:
    """Lift the kill switch; paused runs stay paused."""
    from habitue import controls

    with opened() as (house, at):
        done = controls.go(house.engine, by=by, at=at)
        say("Messages may leave again; tasks that wait for it go on by themselves" if done else "nothing was stopped")


def approve(run_id: RunId, by: By) -> None:
    """Say yes to a run, for exactly the audience and the texts that it has now."""
    from sqlalchemy import select

    from habitue import controls, overview
    from habitue.tables import run

    with opened() as (house, at):
        overview.one_run(house.engine, run_id, at=at)
        if changed := controls.changes(house.engine, run_id, house.shop):
            raise LedgerError(
                f"{run_id}: {', '.join(changed)} changed after this run was planned; put it back as it was, or take it "
                f"in (habitue accept {run_id}), then approve"
            )
        hashes = select(run.c.audience_sha256, run.c.content_sha256).where(run.c.run_id == run_id)
        with house.engine.connect() as connection:
            audience, content = connection.execute(hashes).one()
        has = controls.approve(house.engine, run_id, by=by, audience=audience, content=content, at=at)
        say(f"{run_id}: {_approvals(has)}; audience {audience[:12]}, content {content[:12]}")


def accept(run_id: RunId, by: By) -> None:
    """Take what has changed since the plan into a run: its texts, the shop's own words."""
    from habitue import controls, overview

    with opened() as (house, at):
        overview.one_run(house.engine, run_id, at=at)
        changed = controls.accept(house.engine, run_id, house.shop, by=by, at=at)
        if not changed:
            say(f"{run_id}: nothing has changed since it was planned")
            return
        for name in changed:
            say(f"  {name}")
        has = controls.approvals(house.engine, run_id, at=at)
        say(f"{run_id}: {len(changed)} taken in; it has {_approvals(has)} as it is now")
        say("It must be rendered and approved again: clear its tasks from `render` on")


def settle(
    run_id: RunId,
    by: By,
    saying: Annotated[
        Saying | None,
        typer.Option("--as", help="What became of all that are in doubt; planned: send them again."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Messages of which nobody knows whether they left: show them, or say what became of them."""
    from habitue import doubts
    from habitue.tables import State

    with opened() as (house, at):
        once = doubts.made_once(house.shop)
        moved = doubts.expire(house.engine, run_id, once=once, at=at)
        if any(moved.values()):
            say(
                f"{sum(moved.values())} claims of silent workers ran out: {moved[State.UNKNOWN]} in doubt, "
                f"{moved[State.PLANNED]} planned again"
            )
        with house.engine.connect() as connection:
            found = doubts.doubts(connection, run_id, at=at)
        for one in found:
            since = f" since {_moment(one.since, house)}" if one.since else ""
            say(
                f"  {one.channel}: {one.unknown} in doubt{since}, {one.in_hand} in hand, {one.silent} of silent workers"
            )
        if any(one.silent for one in found):
            say("What a dead worker left is made again, once, by the next delivery: clear its task `deliver`")
        unknown = sum(one.unknown for one in found)
        if not unknown:
            say(f"{run_id}: nothing is in doubt")
        elif saying is None:
            say(f"{run_id}: {unknown} in doubt; settle them with --as accepted, refused or planned (send again)")
        else:
            if not yes:
                typer.confirm(_question(saying, unknown), abort=True)
            told = doubts.settle(house.engine, run_id, State(saying), seen=unknown, by=by, at=at)
            say(f"{run_id}: {_by_channel(told)}; {sum(told.values())} settled as {saying}")


def _question(saying: Saying, messages: int) -> str:
    return {
        Saying.ACCEPTED: f"Do you know that these {messages} messages left?",
        Saying.REFUSED: f"Do you know that these {messages} messages did not leave, and shall they never?",
        Saying.PLANNED: f"Some of these {messages} messages may have arrived: those customers get the same one twice. "
        "Send them again all the same?",
    }[saying]


def _by_channel(told: dict[Channel, int]) -> str:
    return " + ".join(f"{number} {channel}" for channel, number in told.items())


def _told(line: RunLine, house: House) -> Iterator[str]:
    """A run in three lines; its sums are shown as sums."""
    said = ", ".join(part for part in (line.by, _moment(line.at, house), line.why) if part)
    yield f"{line.run_id}  {line.standing}{f' ({said})' if said else ''}"
    yield (
        f"  audience {line.audience} = planned {line.planned} + held out {line.held_out} + excluded {line.excluded}"
        f" · {line.cost_micros / 1_000_000:.2f} {line.currency} · {_approvals(line.approvals)}"
        f" · until {_moment(line.deliver_until, house)}"
    )
    states = " + ".join(f"{state} {number}" for state, number in line.states.items())
    yield f"  planned {line.planned} = {states}{f'  ✗ gap of {line.gap}' if line.gap else ''}"


def _approvals(has: Approvals) -> str:
    return f"{len(has.given)} of {max(has.needed, len(has.given))} approvals"


def _moment(at: datetime | None, house: House) -> str:
    return f"{at.astimezone(house.shop.tz):%Y-%m-%d %H:%M}" if at else ""
