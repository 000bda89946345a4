"""`habitue results`: what became of a run, its effect in plain words, and the rows behind a figure."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

    from habitue.measures import Counts, Measures
    from habitue.shop import Shop

console = Console(highlight=False)

SHOWN = (
    *("planned", "sent", "delivered", "refused", "returned", "human_clicks", "machine_clicks", "unsubscribes"),
    *("complaints", "reached", "responses", "orders", "revenue_cents", "margin_cents", "cost_micros"),
)
"""Figures that the terminal has room for; the CSV has all."""


def results(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run, as campaign:date; `habitue runs` lists them.")],
    by: Annotated[str, typer.Option(help="segment, channel, template or arm.")] = "segment",
    behind: Annotated[str | None, typer.Option(help="A figure (sent, orders, …): list the messages it counts.")] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Every figure with its definition and its rules, to this file.")
    ] = None,
) -> None:
    """Say what became of a run, whether it had an effect, and how sure that is."""
    from habitue import doors, measures, verdicts
    from habitue.measures import KEYS, VERSIONS

    if by not in KEYS:
        raise typer.BadParameter(f"{', '.join(KEYS)}", param_hint="--by")
    with doors.opened(os.environ) as (house, at):
        if behind is not None:
            for row in measures.behind(house.engine, run_id, behind, known=at):
                typer.echo(" ".join(f"{name}={value}" for name, value in row.items() if value not in (None, "")))
            return
        counted = measures.measures_of(house.engine, run_id, known=at)
        found = measures.results_of(house.engine, run_id, known=at)
        shop = house.shop
    say = verdicts.result_words(shop.language)
    console.print(_table(counted, by, shop))
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
    table = Table(title=say["title"].format(run=counted.run_id))
    table.add_column(say["columns"][by])
    for figure in SHOWN:
        table.add_column(say["columns"][figure], justify="right")
    names = {**known["segments"], **known["figures"]}
    for name, counts in counted.by(by).items():
        table.add_row(names.get(name, name), *_cells(counts, counted.gross, shop))
    table.add_section()
    table.add_row(known["page"]["total"], *_cells(counted.all, counted.gross, shop))
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
