"""The commands for those who answer customers: hold and release one, suppress an address or a number."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from habitue.cli_runs import By, opened, say
from habitue.errors import LedgerError

if TYPE_CHECKING:
    from habitue.house import House
    from habitue.tables import Channel

suppress = typer.Typer(help="Addresses and numbers that must not be used again.", no_args_is_help=True)

Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id in the shop's data.")]
Values = Annotated[
    str,
    typer.Argument(
        metavar="VALUE",
        help="An e-mail address, a telephone number, or `name; street; postcode`; `-` reads them, one a line.",
    ),
]


# The closed lists of tables.py, said again: reading that module would cost every command half a second.
Trouble = Literal["complaint", "payment_incident", "deceased"]
Held = Literal["erased", "complaint", "payment_incident", "deceased"]
Way = Literal["letter", "email", "call"]
Reason = Literal[
    "unsubscribed", "hard_bounce", "spam_complaint", "returned_letter", "refused_calls", "bad_number", "moved"
]


def mount(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command()(hold)
    app.command()(release)
    app.add_typer(suppress, name="suppress")


def hold(customer: Customer, reason: Annotated[Trouble, typer.Option(help="What is open.")], by: By) -> None:
    """Leave a customer in peace, whatever the campaign, until released."""
    from habitue import holds
    from habitue.tables import Hold

    with opened() as (house, at):
        done = holds.open_hold(house.engine, customer, Hold(reason), by=by, at=at)
        say(f"{int(done)} held for {reason}{'' if done else ': it was held already'}")


def release(customer: Customer, reason: Annotated[Held, typer.Option(help="What is settled.")], by: By) -> None:
    """Let campaigns reach a customer again."""
    from habitue import holds
    from habitue.tables import Hold

    with opened() as (house, at):
        done = holds.close_hold(house.engine, customer, Hold(reason), by=by, at=at)
        say(f"{int(done)} released from {reason}{'' if done else ': nothing was held'}")


@suppress.command("add")
def add(
    values: Values,
    channel: Annotated[Way, typer.Option(help="What must not be used: an address or number of this channel.")],
    reason: Annotated[Reason, typer.Option(help="Why not.")],
) -> None:
    """Never use this address or number again."""
    from habitue import suppressions
    from habitue.suppressions import Suppression
    from habitue.tables import Channel, SuppressionReason

    with opened() as (house, at):
        way = Channel(channel)
        known = set(_canonical(house, way, values))
        new = suppressions.add(
            house.engine,
            (Suppression(way, value, SuppressionReason(reason), "person") for value in known),
            key=house.mark_key,
            at=at,
        )
        say(f"{len(known)} read = {new} suppressed + {len(known) - new} suppressed before")


@suppress.command("list")
def count() -> None:
    """How many there are, by channel and reason."""
    from habitue import suppressions

    with opened() as (house, _):
        found = suppressions.counts(house.engine)
        for (channel, reason), number in found.items():
            say(f"{channel:<8}{reason:<18}{number:>10}")
        say(f"{'total':<26}{sum(found.values()):>10}")


@suppress.command("lift")
def lift(
    values: Values,
    channel: Annotated[Way, typer.Option(help="Of which channel the address or number is.")],
    by: By,
) -> None:
    """Let an address or number be used again, whatever the reason was; consent is asked apart from this."""
    from habitue import suppressions
    from habitue.tables import Channel

    with opened() as (house, at):
        way = Channel(channel)
        known = set(_canonical(house, way, values))
        lifted = suppressions.lift(house.engine, way, known, key=house.mark_key, by=by, at=at)
        say(f"{len(known)} read, {lifted} suppressions lifted")


def _canonical(house: House, channel: Channel, values: str) -> Iterator[str]:
    """Canonical values of what was typed or, for `-`, of the lines that stand in the input. LedgerError before the
    first where one can't be read; it says which line, and not what stands there."""
    from habitue import suppressions
    from habitue.tables import Channel

    lines = sys.stdin.read().splitlines() if values == "-" else [values]
    typed = {number: line for number, line in enumerate(lines, start=1) if line.strip()}
    known = {
        number: suppressions.canonical(channel, line, country=house.shop.country) for number, line in typed.items()
    }
    if bad := [str(number) for number, value in known.items() if value is None]:
        wanted = {
            Channel.EMAIL: "an e-mail address",
            Channel.CALL: "a telephone number",
            Channel.LETTER: "a letter box, written `name; street; postcode`",
        }[channel]
        raise LedgerError(f"line {', '.join(bad)}: not {wanted}; nothing was changed")
    yield from (value for value in known.values() if value is not None)
