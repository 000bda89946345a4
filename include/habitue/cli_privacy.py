"""The commands for those who answer for personal data: `habitue person export`, `habitue person erase`, `habitue
retention`. Counts and ids are shown, never what is held."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from habitue.cli_runs import By, Why, Yes, opened, say
from habitue.errors import HabitueError

if TYPE_CHECKING:
    from habitue.erasures import Erased
    from habitue.house import House
    from habitue.retention import Retained

aside = Console(stderr=True, highlight=False)
person = typer.Typer(help="What is held on one person: told to them, or erased.", no_args_is_help=True)

Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id in the shop's data.")]
Provider = Annotated[
    bool,
    typer.Option("--provider/--no-provider", help="Whether SendGrid, where it is the sender, is told to erase too."),
]

ELSEWHERE = (
    "the shop's own system: erase there too; what it still delivers of them is left outside",
    "copies that were handed over: letters at the print shop, mails in mailboxes, call lists at a desk",
    "files that were written elsewhere with --out or --html: dossiers, replays, rehearsals, lists",
    "backups of the base and of the lake, until they are overwritten: after a restore, erase again",
)
"""What no program of ours reaches."""


def mount(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.add_typer(person, name="person")
    app.command()(retention)


@person.command("export")
def export(
    customer: Customer,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default: persons/CUSTOMER.json in HABITUE_OUT.")
    ] = None,
) -> None:
    """Write everything held on a customer into a JSON file that only its owner may read (Art. 15 and 20 GDPR)."""
    from habitue.dossiers import write_dossier

    with opened() as (house, at), aside.status("looking everywhere"):
        path, counts = write_dossier(house, customer, at=at, out=out)
        others = counts.pop("also_known_as")
        for name, number in counts.items():
            say(f"{name:<12}{number:>8}")
        say(f"→ {path}")
        if others:
            say(f"The same name and e-mail address stand under {others} more: {', '.join(_others(house, customer))}")


@person.command("erase")
def erase(customer: Customer, reason: Why, by: By, yes: Yes = False, provider: Provider = True) -> None:
    """Erase a customer everywhere, for good: only the number stays, under which sums and counts go on (Art. 17 GDPR).

    Safe to run again: it goes on where it was stopped, and goes through everything once more where it was done."""
    from habitue import erasures

    with opened() as (house, at):
        if not erasures.is_known(house, customer):
            raise HabitueError(
                "neither the base nor the lake knows a customer of this id: nothing was erased; "
                "see the id in the shop's data"
            )
        others = _others(house, customer)
        if not yes:
            typer.confirm(f"Erase customer {customer}? This can't be undone.", abort=True)
        erasures.order(house.engine, [customer], rule="asked", by=by, reason=reason, at=at)
        with aside.status("erasing") as status:
            found = erasures.complete(house, at=at, ask_provider=provider, say=status.update)
        for line in _told(found, house):
            say(line)
        if others:
            say(f"The same person may stand under {', '.join(others)} too: these were left alone")
        if "@" in customer:
            say("This id looks like an address, and it stays as a number would: let the shop give out other ids")
        say("Out of reach, and to be seen to by a person:")
        for line in ELSEWHERE:
            say(f"  - {line}")
        if found.provider or found.in_hand:
            raise typer.Exit(1)


def retention(
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The date to stand on, included.")],
    by: By,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    yes: Yes = False,
    provider: Provider = True,
) -> None:
    """Erase who has not stirred for longer than they may be kept, and remove what was only needed for days."""
    from habitue.retention import retain

    with opened() as (house, at):
        with aside.status("counting") as status:
            counted = retain(house, on=on.date(), at=at, by=by, dry_run=True, say=status.update)
        for line in _counted(counted, house):
            say(line)
        if dry_run:
            return
        if counted.due and not yes:
            typer.confirm(f"Erase {counted.due} customers? This can't be undone.", abort=True)
        with aside.status("erasing") as status:
            done = retain(house, on=on.date(), at=at, by=by, dry_run=False, ask_provider=provider, say=status.update)
        assert done.erased is not None  # noqa: S101 - it was no dry run
        for line in _told(done.erased, house):
            say(line)
        if done.erased.provider or done.erased.in_hand:
            raise typer.Exit(1)


def _others(house: House, customer: str) -> list[str]:
    from habitue import erasures

    return erasures.also_known_as(house, customer)


def _told(found: Erased, house: House) -> Iterator[str]:
    yield f"{found.people} erased"
    for name, number in found.taken.items():
        yield f"  {name:<12}{number:>8}"
    if found.jobs:
        yield f"  {'sendgrid':<12}{found.jobs:>8} erase jobs taken"
    if found.in_hand and found.until:
        until = found.until.astimezone(house.shop.tz)
        yield f"{found.in_hand} wait, a worker has a message of theirs in hand: run it again after {until:%d/%m %H:%M}"
    if found.provider:
        yield f"The provider's copy is still to be erased: {found.provider}; run it again"


def _counted(found: Retained, house: House) -> Iterator[str]:
    kept = house.shop.retention
    years = {"customer": kept.customer_years, "prospect": kept.prospect_years}
    for (rule, verdict), number in sorted(found.people.items()):
        what = {
            "due": f"nothing of their own for {years[rule]} years: to be erased",
            "kept": "within their years",
            "pending": "past their years, but a complaint or a payment is open: kept",
            "undated": "no date of any act of their own: kept; look at them",
        }[verdict]
        yield f"{rule:<10}{number:>8}  {what}"
    yield f"{'proofs':<10}{found.proofs:>8}  of consent of people erased, past their period"
    yield f"{'events':<10}{found.raw_events:>8}  of providers, as they were posted, past their days"
    for setting, number in found.files.items():
        yield f"{setting.removesuffix('_days'):<10}{number:>8}  files past {getattr(kept, setting)} days"
