"""The commands for letters that have gone to the print shop: lots, reprint, return, mend."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from habitue.cli_runs import By, RunId, Why, opened, say
from habitue.errors import LedgerError

if TYPE_CHECKING:
    from habitue.house import House
    from habitue.reprints import Reprint

letters = typer.Typer(help="Letters at the print shop and in the post.", no_args_is_help=True)


def mount(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.add_typer(letters, name="letters")


@letters.command("lots")
def lots(
    run_id: RunId,
    ask: Annotated[bool, typer.Option("--ask", help="Ask the print shop how far each is.")] = False,
) -> None:
    """What the print shop got of a run, and which reprint is not finished."""
    from habitue import lot_book, overview

    with opened() as (house, at):
        overview.one_run(house.engine, run_id, at=at)
        found = lot_book.of_run(house.engine, run_id)
        states = _asked(house, [one.lot_id for one in found if one.handed_over_at]) if ask else {}
        for one in found:
            standing = f"→ {one.provider_id}" if one.handed_over_at else "not handed over: print again to finish it"
            why = f" · {one.reason} ({one.made_by})" if one.reason else ""
            state = f" · {states[one.lot_id]}" if one.lot_id in states else ""
            say(f"{one.lot_id}  {one.letters} letters, {one.pages} pages {standing}{state}{why}")
        if not found:
            say(f"{run_id}: no lot was handed over yet")


def _asked(house: House, lot_ids: list[str]) -> dict[str, str]:
    from contextlib import closing

    from habitue.hand_over import open_service

    shop = house.shop.letters
    with closing(open_service(shop, password=house.letters_password, letters=house.out / "letters")) as printer:
        return {one: printer.status(one) for one in lot_ids}


@letters.command("reprint")
def reprint(
    run_id: RunId,
    why: Why,
    by: By,
    lot: Annotated[int | None, typer.Option(min=1, help="The number of the lot that --seq speaks of.")] = None,
    seq: Annotated[str | None, typer.Option(help="Places in the lot, like 12-40,77.")] = None,
    customer: Annotated[str | None, typer.Option(help="The customer's id in the shop's data.")] = None,
    spoiled: Annotated[
        bool, typer.Option("--spoiled", help="All that the printer spoilt or left out, as `letters return` told.")
    ] = False,
) -> None:
    """Print letters again as a lot of their own, never the rest; consent is asked again, of a spoilt letter too."""
    from habitue import clock, overview, reprints
    from habitue.reprints import Wanted

    if (lot is not None and seq is not None) + (customer is not None) + spoiled != 1 or (lot is None) != (seq is None):
        raise LedgerError("say which letters: --lot with --seq, or --customer, or --spoiled")
    wanted = Wanted(number=lot, seqs=reprints.places(seq) if seq else (), customer_id=customer, spoiled=spoiled)
    with opened() as (house, at):
        overview.one_run(house.engine, run_id, at=at)
        done = reprints.reprint(
            house,
            run_id,
            wanted,
            reason=why,
            by=by,
            on=at.astimezone(house.shop.tz).date(),
            now=lambda: clock.now(os.environ, house.shop.tz),
        )
        for one in done:
            _tell(one)


def _tell(one: Reprint) -> None:
    for message_id, rule in one.left_out.items():
        say(f"  left out: {message_id} {rule}")
    if one.lot_id:
        say(f"{one.lot_id}: {one.letters} printed again and handed over, {len(one.left_out)} left out")
    else:
        say(f"nothing printed, {len(one.left_out)} left out: consent and address are asked again before each print")


@letters.command("return")
def take_returns(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A CSV; see docs/letters.md.")
    ],
    partial: Annotated[bool, typer.Option("--partial", help="Take the lines that are clear.")] = False,
) -> None:
    """Take in what printer and post tell: printed, spoiled, not_mailed, mailed, undeliverable with its reason."""
    from habitue import printer_returns

    with opened() as (house, at):
        done = printer_returns.take(house.engine, file, shop=house.shop, key=house.mark_key, at=at, partial=partial)
        for said in done.left_out:
            say(f"  left out: {said}")
        for kind, number in sorted(done.by_kind.items()):
            say(f"  {kind:<12}{number:>8}")
        say(f"{done.lines} lines = {done.new} new + {done.known} told before + {len(done.left_out)} left out")
        say(
            f"{done.suppressed} addresses suppressed for letters"
            + ("; see `habitue letters mend`" * bool(done.suppressed))
        )


@letters.command("mend")
def mend(
    out: Annotated[Path | None, typer.Option(help="Write a CSV instead.")] = None,
) -> None:
    """Whose address sends letters back, and why: once corrected in the shop's data it is free again."""
    from habitue import printer_returns
    from habitue.calls import write_table

    with opened() as (house, _):
        found = printer_returns.to_mend(house.engine, house.shop)
        if out is not None:
            rows = [(one.customer_id, one.reason, one.returned_on, one.run_id) for one in found]
            write_table(out, ("customer_id", "reason", "returned_on", "run"), rows, shop=house.shop)
            say(f"{len(rows)} customers → {out}")
            return
        for one in found:
            say(f"{one.customer_id}  {one.reason}  {one.returned_on}  {one.run_id or ''}".rstrip())
        say(f"{len(found)} addresses to mend")
