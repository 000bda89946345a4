"""The commands that read the ledger: `habitue explain`, `habitue minimums`, `habitue replay`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

    from habitue.explanations import Became, Consent, Explanation, Outside, Sent, Tried
    from habitue.house import House
    from habitue.minimums import Minimums
    from habitue.replays import Replay
    from habitue.settings import Language

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

    with _opened() as (house, at):
        found = explained(house, customer, on=at.astimezone(house.shop.tz).date(), run_id=run)
    if as_json:
        _print_json(found.as_dict())
        return
    for title, table in _Words(house).parts(found):
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


class _Words:
    """An explanation in the shop's language."""

    def __init__(self, house: House) -> None:
        from habitue.report import words

        self.language = house.shop.language
        self.zone = house.shop.tz
        self.known = words(self.language)
        self.say: Mapping[str, Any] = self.known["explain"]

    def parts(self, found: Explanation) -> Iterator[tuple[str, Table]]:
        """Titles, and what stands below each."""
        from habitue.explanations import LATELY_DAYS

        title = self.say["title"].format(customer=found.customer_id, date=found.on)
        yield f"{title}\n{self.say['runs']}", self._table(self._run(one) for one in found.runs)
        yield self.say["lately"].format(n=LATELY_DAYS), self._table(self._sent(one) for one in found.lately)
        yield self.say["consents"], self._table(self._consent(one) for one in found.consents)
        yield (
            self.say["holds"],
            self._table(
                (self._hold(one.reason), self.say["opened"].format(at=self._day(one.opened_at), by=one.opened_by))
                for one in found.holds
            ),
        )
        yield (
            self.say["suppressions"],
            self._table(
                (self._channel(one.channel), self.say["reasons"][one.reason], self._day(one.recorded_at), one.source)
                for one in found.suppressions
            ),
        )
        yield (
            self.say["caps"],
            self._table(
                (self._channel(one.name), self.say["cap"].format(used=one.used, most=one.most, days=one.days))
                for one in found.caps
            ),
        )

    def _table(self, rows: Iterator[Sequence[str]]) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for row in rows:
            table.add_row("", *(Text(cell) for cell in row))
        if not table.row_count:
            table.add_row("", Text(self.say["none"]))
        return table

    def _run(self, one: Became) -> Sequence[str]:
        if one.messages:
            return one.run_id, self.say["message"], "\n".join(" · ".join(self._sent(sent)[1:]) for sent in one.messages)
        if one.held_out is not None:
            drawn = one.held_out
            parts = [self.say["whose"][drawn.scope], self._channel(drawn.channel)]
            if drawn.share is not None:
                parts.append(self.say["draw"].format(draw=f"{drawn.draw:.4f}", share=f"{drawn.share:g}"))
            return one.run_id, self.say["held_out"], " · ".join(parts)
        if one.outside is not None:
            return one.run_id, self.say["outside"], "\n".join(self._outside(one.outside))
        return one.run_id, self.say["excluded"], "\n".join(self._tried(way) for way in one.tried)

    def _sent(self, one: Sent) -> Sequence[str]:
        parts = [one.run_id, self._channel(one.channel), self.known["states"][one.state]]
        if one.settled_at:
            parts.append(self.say["settled"].format(at=self._day(one.settled_at)))
        if one.reason:
            parts.append(self._rule(one.reason))
        parts.append(one.template)
        if one.arm:
            parts.append(self.say["arm"].format(arm=one.arm))
        if one.attempt > 1:
            parts.append(self.say["attempts"].format(n=one.attempt))
        parts += [f"{self.say['outcomes'][told.kind]} {told.at[:10]}" for told in one.outcomes]
        return parts

    def _tried(self, way: Tried) -> str:
        from habitue.report import rule_words

        barrier = way.rule == "unreachable" and way.saw
        short, says = rule_words(f"{way.rule}:{way.saw}" if barrier else way.rule, self.language)
        saw = f" ({way.saw})" if way.saw and not barrier else ""
        where = f"{self._channel(way.channel)} · " if way.channel else ""
        return f"{where}{short}{saw}. {says}"

    def _outside(self, found: Outside) -> Iterator[str]:
        for unmet in found.filters:
            name = self.say["filters"][unmet.name]
            yield self.say["filter"].format(filter=name, seen=unmet.saw or self.say["none"], asked=unmet.asked)
        if not found.filters:
            segments = self.known["segments"]
            asked = ", ".join(segments.get(name, name) for name in (found.asked or "").split(", "))
            yield self.say[found.why].format(seen=segments.get(found.saw, found.saw), asked=asked)

    def _consent(self, one: Consent) -> Sequence[str]:
        verdict = self._rule(one.rule) if one.rule else self.say["allowed"]
        if one.recorded_at is None:
            return self._channel(one.channel), verdict, self.say["no_objection"] if one.rule is None else ""
        parts = [self.say["since"].format(at=self._day(one.recorded_at))]
        if one.basis:
            parts.append(self.say["basis"].format(basis=one.basis))
        if one.valid_until and one.status == "granted":
            parts.append(self.say["until"].format(until=one.valid_until))
        return self._channel(one.channel), verdict, " · ".join(parts)

    def _hold(self, reason: str) -> str:
        return self._rule("complaint_open" if reason == "complaint" else reason)

    def _rule(self, rule: str) -> str:
        from habitue.report import rule_words

        return rule_words(rule, self.language)[0]

    def _channel(self, channel: str) -> str:
        return str(self.known["channels"].get(channel) or self.say[channel])

    def _day(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).date().isoformat()
