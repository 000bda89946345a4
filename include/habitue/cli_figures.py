"""`habitue figures`: refresh, show, export, and the rows behind one of them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from habitue.cli_runs import opened
from habitue.errors import LedgerError
from habitue.kinds import Span

if TYPE_CHECKING:
    from habitue.figures import Told
    from habitue.house import House

console = Console(highlight=False)

app = typer.Typer(help="The customer base over time.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="The file to write, .csv.")]
Name = Annotated[str, typer.Argument(metavar="FIGURE", help="Its name, such as attrition; `show` lists them.")]


def mount(main: typer.Typer) -> None:
    """Adds the commands to the command line."""
    main.add_typer(app, name="figures")


@app.command()
def refresh() -> None:
    """Work the figures out from the last snapshot, and tell what is new; what was told stays."""
    from habitue import trends, year_effects

    with opened() as (house, at):
        with console.status("reading the orders"):
            done = trends.refresh(house, at=at)
            year_effects.refresh(house, house.lake.snapshot(done.snapshot_id), at=at)
        console.print(
            f"snapshot {done.snapshot_id}, rule {done.rule}: {done.figures:,} figures, {done.told:,} of them new"
        )


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(metavar="[FIGURE]", help="Default: all, as they are.")] = None,
) -> None:
    """What was told: each figure's last value, or one figure's whole history."""
    from rich.table import Table

    from habitue import figures, figures_in_words

    with opened() as (house, _):
        found, rule = _told(house, [_known(name)] if name else list(figures.FIGURES))
        last = max(one.ends for one in found)
        table = Table(caption=f"rule {rule}, snapshot {max(one.snapshot_id for one in found)}")
        for heading in ("figure", "span", "until", "part", "to"):
            table.add_column(heading)
        table.add_column("result", justify="right")
        table.add_column("first told", justify="right")
        for one in found:
            if name or (one.ends == last and one.name not in ("curve", "cohorts")):
                first = figures_in_words.written(one, house.shop, first=True) if one.restated else ""
                written = figures_in_words.written(one, house.shop)
                table.add_row(one.name, one.span, str(one.ends), one.part, one.other, written, first)
        console.print(table)


@app.command()
def export(out: Out, name: Annotated[str | None, typer.Argument(metavar="[FIGURE]")] = None) -> None:
    """All that was told, as a CSV; a restated figure has both its values."""
    from habitue import figures

    with opened() as (house, _):
        found, rule = _told(house, [_known(name)] if name else list(figures.FIGURES))
        with out.open("w", encoding="utf-8-sig", newline="") as file:
            rows = figures.write_csv(found, rule, file, language=house.shop.language)
        console.print(f"{rows:,} rows → {out}")


@app.command()
def rows(
    name: Name,
    out: Out,
    ends: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The period's last day.")],
    span: Annotated[Span, typer.Option(help="What the figure is told of.")] = Span.QUARTER,
    part: Annotated[str, typer.Option(help="The group, tier or cohort; empty: of all.")] = "",
    to: Annotated[str, typer.Option(help="The group moved to, or how many quarters since.")] = "",
    first: Annotated[bool, typer.Option("--first", help="As the snapshot has them that told it first.")] = False,
) -> None:
    """The customers behind a figure, by their number, from the snapshot that told it."""
    import csv

    from habitue import trends

    with opened() as (house, _):
        day = ends.date()
        found, _rule = _told(house, [_known(name)])
        cell = next(
            (one for one in found if (one.span, one.ends, one.part, one.other) == (span, day, part, to)),
            None,
        )
        if cell is None:
            raise LedgerError(f"no figure {name} of {span} until {day} for {part or 'all'} {to}".rstrip() + " was told")
        with (
            trends.rows_behind(house, cell, first=first) as (columns, behind),
            out.open("w", encoding="utf-8-sig", newline="") as file,
        ):
            written = csv.writer(file)
            written.writerow(columns)
            written.writerows(behind)
        console.print(f"→ {out}")


def _known(name: str) -> str:
    from habitue.figures import FIGURES

    if name not in FIGURES:
        raise LedgerError(f"there is no figure {name}; there are {', '.join(FIGURES)}")
    return name


def _told(house: House, names: list[str]) -> tuple[list[Told], str]:
    from habitue import figures, trends

    rule, _means = trends.rule_of(house.shop.segments)
    with house.engine.connect() as connection:
        found = figures.told(connection, rule, names)
    if not found:
        raise LedgerError("nothing is told yet under the rule of today: habitue figures refresh")
    return found, rule
