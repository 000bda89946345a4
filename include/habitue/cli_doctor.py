"""`habitue doctor`: what ails this installation."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
aside = Console(stderr=True)

MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "bad": ("✗", "red")}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For a program: a list of objects.")] = False,
    reach: Annotated[
        bool, typer.Option("--reach", help="Ask providers too, over the network: SendGrid, the print shop's server.")
    ] = False,
) -> None:
    """Look whether all that the shop needs is there and well, and say what to do where it isn't.

    Nothing is changed and nothing is sent; a mail server is greeted and logged in to. Ends with 1 where something is
    broken, with 0 where there is at most something to look at.
    """
    from habitue import clock, doors
    from habitue.doctor import examine

    with doors.found(os.environ) as settings, aside.status("looking"):
        now = clock.now({}, UTC)
        findings = list(examine(settings, at=lambda zone: clock.now(settings, zone), now=now, reach=reach))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in findings], indent=1, ensure_ascii=False))
    else:
        table = Table(box=None, pad_edge=False)
        for title in ("", "what", "found", "what to do"):
            table.add_column(title, overflow="fold")
        for one in findings:
            mark, style = MARKS[one.level]
            table.add_row(mark, one.name, one.what, one.fix, style=style)
        console.print(table)
    if any(one.level == "bad" for one in findings):
        raise typer.Exit(1)
