"""The commands for those who write campaigns: `habitue check`, `habitue schema`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(highlight=False)


def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Campaigns, templates, sources or shop.yaml; default: all of them."),
    ] = None,
    database: Annotated[
        bool | None,
        typer.Option(
            "--database/--no-database",
            help="Ask PostgreSQL whether it understands the audiences' SQL; default: if HABITUE_DATABASE_URL is set.",
        ),
    ] = None,
) -> None:
    """Read shop.yaml, sources and campaigns with their texts and their SQL, and say all that is wrong.

    Warnings (a subject that is cut, words left untranslated, typography) are shown and do not fail.
    """
    from habitue.checking import findings, text_findings
    from habitue.linting import Severity

    if database is None:
        database = bool(os.environ.get("HABITUE_DATABASE_URL") or os.environ.get("HABITUE_DATABASE_URL_FILE"))
    wrong = 0
    for name, found in findings(files or None, os.environ, database=database):
        wrong += len(found)
        console.print(f"{'✗' if found else '✓'} {name}", style="red" if found else "green", markup=False)
        for sentence in found:
            console.print(f"  {sentence}", markup=False, soft_wrap=True)
    warned, spoilt = 0, False
    for name, complaints in text_findings(files or None, os.environ):
        errors = sum(one.severity is Severity.ERROR for one in complaints)
        wrong, warned, spoilt = wrong + errors, warned + len(complaints) - errors, True
        console.print(f"{'✗' if errors else '!'} {name}", style="red" if errors else "yellow", markup=False)
        for one in complaints:
            mark = "warning: " if one.severity is Severity.WARNING else ""
            console.print(f"  {one.file}, line {one.line}: {mark}{one.message}", markup=False, soft_wrap=True)
    if not files and not spoilt:
        console.print("✓ include/templates", style="green")
    if warned:
        console.print(f"{warned} to look at", style="yellow")
    if wrong:
        console.print(f"{wrong} to mend", style="red")
        raise typer.Exit(1)


def schema(
    out: Annotated[Path | None, typer.Option(help="The file to write; default: print it.")] = None,
) -> None:
    """The JSON Schema of a campaign file: with it an editor completes keys, explains them and marks what is wrong."""
    from habitue.campaigns import campaign_schema

    text = json.dumps(campaign_schema(), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, "utf-8")
        console.print(f"→ {out}", markup=False)
