"""`habitue quarterly`: the report of a quarter, as files and by e-mail."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from habitue.cli_runs import opened

console = Console(highlight=False)


def quarterly(
    quarter: Annotated[
        str | None, typer.Argument(metavar="[QUARTER]", help="Such as 2026Q3; default: the last whole one.")
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Send it to those whom shop.yaml names in report.to.")] = False,
) -> None:
    """Write the report of a quarter: HTML and PDF in each language, and its CSVs."""
    from habitue import quarterly_files, quarterly_mail
    from habitue.quarters import Quarter

    with opened() as (house, at):
        today = at.astimezone(house.shop.tz).date()
        wanted = Quarter.read(quarter) if quarter else Quarter.of(today).before
        with console.status("reading figures and results"):
            made = quarterly_files.make(house, wanted, at=at)
        for file in made.files:
            console.print(f"→ {file}", markup=False)
        if send:
            done = quarterly_mail.send(house, made, at=at)
            console.print(f"{done.accepted} handed over, {done.before} had been before", markup=False)
            for one in done.others:
                console.print(f"{one.message_id}: {one.status}, {one.reason or ''}", markup=False)
            if done.others:
                raise typer.Exit(1)
