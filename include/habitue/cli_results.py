"""`habitue results`, `habitue budget`, `habitue worth`: what became of runs, of money, and of customers."""

from __future__ import annotations

import os
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

    from habitue.measures import Counts, Measures
    from habitue.shop import Shop

console = Console(highlight=False)


def mount(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command()(results)
    app.command()(budget)
    app.command()(worth)


SHOWN = (
    *("planned", "sent", "delivered", "refused", "returned", "human_clicks", "machine_clicks", "unsubscribes"),
    *("complaints", "reached", "responses", "orders", "revenue_cents", "margin_cents", "cost_micros"),
)
"""Figures that the terminal has room for; the CSV has all."""


def results(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="The run, as campaign:date; `habitue runs` lists them.")
    ] = None,
    by: Annotated[str, typer.Option(help="segment, channel, template or arm.")] = "segment",
    behind: Annotated[str | None, typer.Option(help="A figure (sent, orders, …): list the messages it counts.")] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Every figure with its definition and its rules, to this file.")
    ] = None,
    shop: Annotated[bool, typer.Option("--shop", help="All campaigns of a year together, instead of a run.")] = False,
    year: Annotated[int | None, typer.Option(help="With --shop, the calendar year; default: this one.")] = None,
) -> None:
    """Say what became of a run, whether it had an effect, and how sure that is."""
    if shop == (run_id is not None):
        raise typer.BadParameter("a run, or --shop for all campaigns of a year together", param_hint="RUN")
    if run_id is None:
        _all_together(year, csv)
    else:
        _of_run(run_id, by, behind, csv)


def _all_together(year: int | None, csv: Path | None) -> None:
    from habitue import doors, effects, verdicts, year_effects
    from habitue import year_effects_in_words as words

    with doors.opened(os.environ) as (house, at):
        shop = house.shop
        found = year_effects.of_year(house.engine, year or at.astimezone(shop.tz).year, known=at)
    say = verdicts.result_words(shop.language)["year"]
    if found is None:
        for told in [say["waiting"]] if shop.holdout.share else [say["unheld"], say["how"].format(), say["price"]]:
            console.print(told, markup=False)
        return
    rows: list[tuple[str, ...]] = [astuple(one)[:-1] for one in words.rows(found, shop)]
    _print_table(words.title(found, shop), words.headings(shop)[1:-1], rows)
    for told in (*words.sentences(found, shop), words.days(found, shop), words.who(found, shop)):
        console.print(told, markup=False)
    console.print(f"{year_effects.RULES_VERSION} {effects.VERSION}", style="dim", markup=False)
    if csv is not None:
        written = verdicts.write_all_csv(csv, [(f"shop:{found.year}", words.csv_rows(found, shop))], shop=shop)
        console.print(f"→ {csv} ({written})", markup=False)


def _of_run(run_id: str, by: str, behind: str | None, csv: Path | None) -> None:
    from habitue import doors, measures, verdicts
    from habitue.measures import KEYS, VERSIONS

    if by not in KEYS:
        raise typer.BadParameter(f"{', '.join(KEYS)}", param_hint="--by")
    with doors.opened(os.environ) as (house, at):
        if behind is not None:
            for row in measures.every_row(house.engine, run_id, behind, known=at):
                typer.echo(" ".join(f"{name}={value}" for name, value in row.items() if value not in (None, "")))
            return
        counted = measures.measures_of(house.engine, run_id, known=at)
        found = measures.results_of(house.engine, run_id, known=at)
        shop = house.shop
    say = verdicts.result_words(shop.language)
    console.print(_table(counted, by, shop))
    if (first := verdicts.restated(counted, shop)) is not None:
        console.print(first, markup=False)
    console.print(say["effect"], style="bold", markup=False)
    for told in verdicts.sentences(found, shop):
        console.print(told, markup=False)
    console.print(say["rules"].format(**VERSIONS), style="dim", markup=False)
    if csv is not None:
        written = verdicts.write_csv(csv, counted, found, shop=shop)
        console.print(f"→ {csv} ({written})", markup=False)


def _table(counted: Measures, by: str, shop: Shop) -> Table:
    from rich.table import Table

    from habitue.report import words
    from habitue.verdicts import result_words

    say, known = result_words(shop.language), words(shop.language)
    names = {**known["segments"], **known["figures"]}
    parts = [(names.get(name, name), counts) for name, counts in counted.by(by).items()]
    table = Table(title=say["title"].format(run=counted.run_id))
    table.add_column(say["columns"][by])
    columns = []
    for name, counts in [*parts, (known["page"]["total"], counted.all)]:
        table.add_column(name, justify="right")
        columns.append(_cells(counts, counted.gross, shop))
    for figure, *cells in zip(SHOWN, *columns, strict=True):
        table.add_row(say["columns"][figure], *cells)
    return table


def _cells(counts: Counts, gross: float | None, shop: Shop) -> list[str]:
    from habitue.report import cost, count
    from habitue.texts import money

    values: dict[str, Any] = {**asdict(counts), "margin_cents": counts.margin_cents(gross)}

    def written(figure: str) -> str:
        value = values[figure]
        if value is None:
            return ""
        if figure == "cost_micros":
            return cost(value, shop.currency, shop.language)
        return money(value, shop.currency, shop.language) if figure.endswith("_cents") else count(value, shop.language)

    return [written(figure) for figure in SHOWN]


def budget(
    year: Annotated[int | None, typer.Option(help="The calendar year; default: this one.")] = None,
) -> None:
    """Say what the year's campaigns cost, what is left, and how often customers heard from the shop."""
    from habitue import budgets, doors
    from habitue.report import cost, count, percent, words
    from habitue.verdicts import result_words

    with doors.opened(os.environ) as (house, at):
        shop = house.shop
        found = budgets.year_of(house.engine, year or at.astimezone(shop.tz).year, shop.budget)
    say, known = result_words(shop.language)["budget"], words(shop.language)
    names = {**known["segments"], **known["figures"], **say["kinds"]}

    def money(micros: int) -> str:
        return cost(micros, shop.currency, shop.language)

    for title in ("campaign", "segment", "channel"):
        _print_table(
            say["by"][title],
            [say["sent"], say["cost"]],
            [
                (names.get(key, key), count(sent, shop.language), money(spent))
                for (key,), (sent, spent) in found.by(title).items()
            ],
        )
    _print_table(
        say["by"]["kind"],
        [say["sent"], say["cost"]],
        [
            (f"T{quarter} · {names.get(kind, kind)}", count(sent, shop.language), money(spent))
            for (quarter, kind), (sent, spent) in found.by("quarter", "kind").items()
        ],
    )
    _print_table(
        say["pressure"],
        [say["each"], say["most"], say["nothing"]],
        [
            (
                f"{names[one.channel]} {one.first:%Y-%m-%d} – {one.last:%Y-%m-%d}",
                f"{one.each:.2f}",
                str(one.most),
                count(one.customers.get(0, 0), shop.language),
            )
            for one in (*found.letters, *found.emails, found.calls)
        ],
    )
    console.print(
        say["spent"].format(spent=money(found.spent_micros), promised=money(found.promised_micros)), markup=False
    )
    if found.left_micros is not None:
        console.print(say["left"].format(left=money(found.left_micros)), markup=False)
    if found.share is not None and found.standing is not None:
        least, most = (percent(share, shop.language) for share in shop.budget.aim)
        share = percent(found.share, shop.language)
        console.print(say[found.standing].format(share=share, least=least, most=most), markup=False)
    console.print(budgets.RULES_VERSION, style="dim", markup=False)


def _print_table(title: str, headings: list[str], rows: list[tuple[str, ...]]) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def worth(
    below: Annotated[
        float, typer.Option(min=0, max=1, help="Warn of regular customers less likely than this to be still here.")
    ] = 0.5,
    most: Annotated[int, typer.Option(min=0, help="List so many of them, by number.")] = 0,
) -> None:
    """Say what each group's customers may bring, and which regular ones have probably left."""
    from habitue import doors, lifetime, worths, worths_in_words
    from habitue.report import count, percent, words
    from habitue.texts import money
    from habitue.verdicts import result_words

    with doors.opened(os.environ) as (house, _):
        shop = house.shop
        groups = worths.summary(house.engine, below=below)
        cooling = worths.cooling(house.engine, below=below, most=most)
        lasting = worths.lasting_now(house.engine, shop)
    say, names = result_words(shop.language)["worth"], words(shop.language)["segments"]
    _print_table(
        say["title"],
        [say[name] for name in ("customers", "alive", "worth", "won_back", "cooling")],
        [
            (
                names.get(one.segment, one.segment),
                count(one.customers, shop.language),
                percent(one.alive, shop.language) if one.judged else "",
                money(one.worth_cents, shop.currency, shop.language) if one.valued else "",
                money(one.won_back_cents, shop.currency, shop.language) if one.won_back_cents else "",
                count(one.cooling, shop.language),
            )
            for one in groups
        ],
    )
    for who in cooling:
        console.print(
            f"{who.customer_id} {names.get(who.segment, who.segment)} {who.alive:.2f} {who.last_day}", markup=False
        )
    console.print(say["once"], markup=False)
    if lasting:
        told = worths_in_words.rows(lasting, groups, shop)
        _print_table(
            say["lasting"],
            [say["customers"], *worths_in_words.headings(shop)],
            [(one.name, one.customers, one.year, one.next_year, one.stayed, one.lasting) for one in told],
        )
    for sentence in worths_in_words.sentences(lasting, shop):
        console.print(sentence, markup=False)
    console.print(f"{lifetime.VERSION} {worths.RULES_VERSION}", style="dim", markup=False)
