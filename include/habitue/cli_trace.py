"""The commands that read the ledger: `habitue explain`, `habitue minimums`, `habitue replay`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

    from habitue.explanations import Explanation
    from habitue.house import House
    from habitue.minimums import Minimums
    from habitue.replays import Replay
    from habitue.settings import Language
    from habitue.telling import Telling

console = Console(highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print it for a program.")]


def _opened() -> AbstractContextManager[tuple[House, datetime]]:
    from habitue import doors

    return doors.opened(os.environ)


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=1, ensure_ascii=False, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def explain(
    customer: Annotated[str, typer.Argument(help="The customer's id, as in the shop's data.")],
    run: Annotated[str | None, typer.Option(help="One run (campaign:date); default: the last 20 of a year.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say why a customer got what they got or got nothing, what they got lately, and what speaks against more."""
    from habitue.explanations import explain as explained
    from habitue.telling import Telling

    with _opened() as (house, at):
        found = explained(house, customer, on=at.astimezone(house.shop.tz).date(), run_id=run)
    if as_json:
        _print_json(found.as_dict())
        return
    for title, table in _parts(Telling(house.shop.language, house.shop.tz), found):
        console.print(title, style="bold", markup=False)
        console.print(table)
        console.print()


def minimums(
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The date to stand on, included.")],
    out: Annotated[Path | None, typer.Option(help="A CSV to write for spreadsheets, a row a customer.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count the customers who got less than a letter a quarter or less than a call a year, by what stood in the way."""
    from habitue.minimums import minimums as below

    with _opened() as (house, _), console.status("asking the ledger"):
        found = below(house.engine, house.shop, on=on.date(), out=out)
    if as_json:
        _print_json(found.as_dict())
        return
    console.print(_minimums_table(found, house.shop.language))
    if out is not None:
        console.print(f"→ {out}", markup=False)


def _minimums_table(found: Minimums, language: Language) -> Table:
    from rich.table import Table
    from rich.text import Text

    from habitue.minimums import CALL_DAYS, LETTER_DAYS
    from habitue.report import count, rule_words, words

    known = words(language)
    say = known["minimums"]
    numbers = {
        "n": count(found.customers, language),
        "letter": count(found.letter.total(), language),
        "call": count(found.call.total(), language),
        "lawful": count(found.calls_lawful, language),
    }
    whose = say["whose"].format(**numbers, letter_days=LETTER_DAYS, call_days=CALL_DAYS)
    title = Text(f"{say['title'].format(date=found.on)}\n{whose}")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(Text(say["reason"]))
    for channel in ("letter", "call"):
        table.add_column(Text(known["channels"][channel]), justify="right")
    table.add_column()
    both = found.letter + found.call
    for rule, _ in both.most_common():
        short, says = rule_words(rule, language)
        numbers_of = [count(one[rule], language) for one in (found.letter, found.call)]
        table.add_row(*(Text(cell) for cell in (short, *numbers_of, says)))
    return table


def replay(
    run: Annotated[str, typer.Argument(help="The run (campaign:date).")],
    out: Annotated[Path, typer.Option(help="A new or an empty folder for what is made again.")],
    as_json: AsJson = False,
) -> None:
    """Decide and make a past run again, and say what is not the same (exit code 1) or that all is (0)."""
    from habitue.replays import replay as again

    with _opened() as (house, _), Console(stderr=True).status("reading the run") as status:
        found = again(house, run, out=out, say=status.update)
    if as_json:
        _print_json(found.as_dict())
    else:
        for line in _replayed(found):
            console.print(line, markup=False, soft_wrap=True)
    if not found.same:
        raise typer.Exit(1)


def _replayed(found: Replay) -> Iterator[str]:
    yield f"{found.run_id}: {found.messages} messages, {found.excluded} left out, {found.held_out} held out"
    kept = {"content": "hashes of shards", "letters": "lots", "emails": "mails", "calls": "files of call lists"}
    compared = [f"{number} {kept[name]}" for name, number in found.compared.items() if number]
    yield f"compared with what was kept: {', '.join(['every decision', *compared])}"
    for one in found.differences:
        named = f" ({', '.join(one.ids)}{', …' if one.number > len(one.ids) else ''})" if one.ids else ""
        yield f"✗ {one.where}: {one.number} {one.what}{named}"
    for name in found.changed:
        yield f"  changed since: {name}"
    yield "not the same" if found.differences else "the same"
    yield f"→ {found.out}"


def _parts(told: Telling, found: Explanation) -> Iterator[tuple[str, Table]]:
    """An explanation's titles, and what stands below each."""
    from habitue.explanations import LATELY_DAYS

    say = told.say

    def table(rows: Iterator[Sequence[str]]) -> Table:
        return _table(rows, none=say["none"])

    title = say["title"].format(customer=found.customer_id, date=found.on)
    yield f"{title}\n{say['runs']}", table(told.run(one) for one in found.runs)
    yield say["lately"].format(n=LATELY_DAYS), table(told.sent(one) for one in found.lately)
    yield say["consents"], table(told.consent(one) for one in found.consents)
    yield (
        say["holds"],
        table(
            (told.hold(one.reason), say["opened"].format(at=told.day(one.opened_at), by=one.opened_by))
            for one in found.holds
        ),
    )
    yield (
        say["suppressions"],
        table(
            (told.channel(one.channel), say["reasons"][one.reason], told.day(one.recorded_at), one.source)
            for one in found.suppressions
        ),
    )
    yield (
        say["caps"],
        table(
            (told.channel(one.name), say["cap"].format(used=one.used, most=one.most, days=one.days))
            for one in found.caps
        ),
    )


def _table(rows: Iterator[Sequence[str]], *, none: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row("", *(Text(cell) for cell in row))
    if not table.row_count:
        table.add_row("", Text(none))
    return table
