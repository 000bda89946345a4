"""The commands of the call desk: lists that end, lists worked off the desk, complaints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitue.cli_runs import By, opened, say

calls = typer.Typer(help="The call desk: its lists, worked there or off it.", no_args_is_help=True)

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run, as campaign:date.")]


def mount(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.add_typer(calls, name="calls")


@calls.command("board")
def board(
    run: Annotated[str | None, typer.Option(help="One list only, as campaign:date.")] = None,
    days: Annotated[int, typer.Option(min=1, help="Of how many days.")] = 14,
) -> None:
    """How the lists stand, who called how often, how it ended, and why customers left."""
    from habitue import call_board, complaints

    with opened() as (house, at):
        found = call_board.board(house, at, run_id=run, days=days)
        for one in found.lists:
            say(
                f"{one.run_id:<32}{one.total:>6} = {one.open} open + {one.done} done + {one.closed} closed + "
                f"{one.not_reached} not reached + {one.released} released; {one.attempts} attempts, {one.reached} "
                f"reached, {one.unlawful} unlawful; until {one.expires_at.astimezone(house.shop.tz):%Y-%m-%d %H:%M}"
            )
        for day in found.days:
            say(f"{day.day} {day.agent:<20}{day.attempts:>5} of {day.capacity} calls, {day.reached} reached")
        for name, number in {**found.outcomes, **{f"left for {why}": n for why, n in found.reasons.items()}}.items():
            say(f"{name:<32}{number:>6}")
        for trouble in complaints.still_open(house.engine):
            due = trouble.due_at.astimezone(house.shop.tz)
            late = " LATE" if trouble.due_at < at else ""
            say(f"complaint {trouble.complaint_id}: {trouble.owner} answers until {due:%Y-%m-%d %H:%M}{late}")


@calls.command("expire")
def expire() -> None:
    """End the lists whose time is over: whom nobody rang is released, the others count as not reached."""
    from habitue import call_lists

    with opened() as (house, at):
        found = call_lists.expire(house, at)
        say(f"{sum(found.values())} lines ended = {found['not_reached']} not reached + {found['released']} released")  # type: ignore[index]


@calls.command("export")
def export(
    run: Run,
    to: Annotated[str, typer.Option(help="Who will call: these lines are theirs alone from now on.")],
    most: Annotated[int | None, typer.Option(min=1, help="At most so many lines; default: all that are open.")] = None,
) -> None:
    """Give open lines of a list away as a workbook (and CSV), to be worked off the desk."""
    from habitue import call_imports

    with opened() as (house, at):
        book, written = call_imports.export(house, run, to=to, at=at, most=most)
        say(f"{written} lines → {book}")


@calls.command("import")
def take_in(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The list with its results, .xlsx or .csv.")],
    by: By,
) -> None:
    """Take in what came of a list worked off the desk; what is wrong stands in a file beside it. Safe to run again."""
    from habitue import call_imports

    with opened() as (house, at):
        done = call_imports.take_in(house, file, by=by, at=at)
        say(
            f"{done.read} read = {done.new} new + {done.known} known before + {done.empty} without a result + "
            f"{len(done.problems)} not taken in"
        )
        if done.unlawful:
            say(f"{len(done.unlawful)} of the calls were not lawful: they are kept, and counted as such")
        if done.errors:
            say(f"see {done.errors}")
        if done.problems:
            raise typer.Exit(1)


@calls.command("settle")
def settle(
    complaint: Annotated[int, typer.Argument(metavar="COMPLAINT", help="Its number, as on the board.")],
    by: By,
    answer: Annotated[str, typer.Option(help="What the customer was answered.")] = "",
) -> None:
    """Close a complaint; with the customer's last one, campaigns reach them again."""
    from habitue import complaints

    with opened() as (house, at):
        done = complaints.settle(house.engine, complaint, answer=answer, by=by, at=at)
        say(f"{int(done)} closed{'' if done else ': it was closed already'}")


@calls.command("assign")
def assign(
    run: Run,
    to: Annotated[str | None, typer.Option(help="Whose they are; default: everybody's again.")] = None,
    of: Annotated[str | None, typer.Option(help="Only what is this agent's now.")] = None,
) -> None:
    """Give the open lines of a list to one agent, or back to all."""
    from habitue import call_board

    with opened() as (house, at):
        found, _ = call_board.lines(house, at, run_id=run, status="open", agent=of, most=100_000)
        moved = call_board.assign(house, [one.message_id for one in found], to, at=at)
        say(f"{moved} lines are {f'for {to} alone' if to else 'for everybody'} now")
