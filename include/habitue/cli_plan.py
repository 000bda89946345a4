"""`habitue plan`: plans a campaign's run, or rehearses it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from habitue.house import House

console = Console(highlight=False)
aside = Console(stderr=True, highlight=False)


def plan(
    campaign: Annotated[str, typer.Argument(help="A file in include/campaigns, without its ending.")],
    on: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="The run's day; with --dry-run it may be a day to come.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show all that the plan would come to, and write nothing to the base.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON and nothing else; it holds no customer's data.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            help="With --dry-run: the page to write; default: rehearsals/CAMPAIGN-DAY.html in HABITUE_OUT, or none "
            "with --json. It shows customers in its samples."
        ),
    ] = None,
) -> None:
    """Decide who gets what by which channel on a day, and who does not and why; once, in the ledger.

    With --dry-run nothing is written: counts by group, channel and arm, exclusions by rule, cost, approvals needed and
    the difference from the campaign's last run are shown, and a page with samples is made.
    """
    from habitue import doors

    if html is not None and not dry_run:
        raise typer.BadParameter("is for a rehearsal: add --dry-run", param_hint="--html")
    with doors.opened(os.environ) as (house, at):
        if dry_run:
            _rehearse(house, campaign, on, at, as_json=as_json, html=html)
        else:
            _plan(house, campaign, on, at, as_json=as_json)


def _rehearse(house: House, campaign: str, on: datetime, at: datetime, *, as_json: bool, html: Path | None) -> None:
    from habitue import rehearsals
    from habitue.rehearsal_page import rehearsal_table, rehearse_and_show

    page = None
    with aside.status("looking at the customer base") as status:
        if as_json and html is None:
            with rehearsals.rehearsed(house, campaign, on=on.date(), at=at, say=status.update) as (_, found):
                pass
        else:
            found, page = rehearse_and_show(house, campaign, on=on.date(), at=at, out=html, say=status.update)
    if as_json:
        typer.echo(json.dumps(rehearsals.as_json(found), indent=1, ensure_ascii=False))
    else:
        console.print(rehearsal_table(found, shop=house.shop))
    if page is not None:
        (aside if as_json else console).print(f"→ {page}", markup=False, soft_wrap=True)


def _plan(house: House, campaign: str, on: datetime, at: datetime, *, as_json: bool) -> None:
    from habitue import runs
    from habitue.report import cost, count

    with aside.status("planning"):
        done = runs.planned(house, campaign, on=on.date(), at=at)
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=1))
        return
    numbers = {name: count(getattr(done, name), "en") for name in ("audience", "planned", "held_out", "excluded")}
    spent = cost(done.cost_micros, house.shop.currency, "en")
    said = "was planned already, and nothing was written" if done.already else "is planned"
    console.print(f"{done.run_id} {said}:", markup=False)
    console.print(
        "  {audience} customers = {planned} messages + {held_out} held out + {excluded} left out".format(**numbers),
        markup=False,
    )
    console.print(f"  cost {spent}", markup=False)
    if done.approvals_needed:
        persons = "one person" if done.approvals_needed == 1 else "two persons"
        console.print(f"  {persons} must approve it before anything leaves", markup=False)
