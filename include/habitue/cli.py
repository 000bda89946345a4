"""The command line: `habitue --help`."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from habitue import (
    cli_calls,
    cli_campaigns,
    cli_doctor,
    cli_events,
    cli_figures,
    cli_holds,
    cli_letters,
    cli_messages,
    cli_plan,
    cli_privacy,
    cli_public,
    cli_quarterly,
    cli_results,
    cli_returns,
    cli_runs,
    cli_senders,
    cli_trace,
)
from habitue.errors import HabitueError

app = typer.Typer(
    help="Turns a shop's purchase history into quarterly letters, e-mails and win-back calls.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
db = typer.Typer(help="The base, a PostgreSQL.", no_args_is_help=True)
app.add_typer(db, name="db")
app.command()(cli_campaigns.check)
app.command()(cli_campaigns.schema)
app.command()(cli_doctor.doctor)
cli_messages.mount(app)
app.command()(cli_plan.plan)
cli_runs.mount(app)
cli_holds.mount(app)
cli_letters.mount(app)
cli_calls.mount(app)
app.command()(cli_public.public)
cli_events.mount(app)
cli_figures.mount(app)
cli_returns.mount(app)
cli_privacy.mount(app)
app.command()(cli_trace.explain)
app.command()(cli_trace.minimums)
app.command()(cli_trace.replay)
cli_results.mount(app)
app.command()(cli_quarterly.quarterly)
app.command("send-test")(cli_senders.send_test)
console = Console()
errors = Console(stderr=True, style="red")

Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The date, as YYYY-MM-DD.")]


@app.command("demo-shop")
def demo_shop(
    out: Annotated[Path, typer.Option(help="The folder for the shop's exports.")],
    customers: Annotated[int, typer.Option(min=1, help="How many customers.")] = 5000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    until: Day = datetime(2026, 9, 30),  # noqa: DTZ001 - a day, not a moment
    format: Annotated[str, typer.Option(help="csv, as a till exports it, or parquet.")] = "csv",  # noqa: A002
) -> None:
    """Make a believable French shop: three years of purchases, people, consents, and a known share of spoilt rows."""
    from habitue.demo_shop import write_shop

    if format not in ("csv", "parquet"):
        raise typer.BadParameter("csv or parquet", param_hint="--format")
    with console.status("customers made: 0") as status:
        counts = write_shop(
            out,
            customers=customers,
            seed=seed,
            until=until.date(),
            format="csv" if format == "csv" else "parquet",
            on_progress=lambda done: status.update(f"customers made: {done:,}"),
        )
    for name, number in counts.items():
        console.print(f"{name:<40} {number:>12,}")


@app.command()
def segment(
    orders: Annotated[
        Path, typer.Argument(help="Parquet or CSV: customer_id, order_id, ordered_at, amount (negative = return).")
    ],
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The date to stand on, included.")],
    out: Annotated[Path, typer.Option(help="The file to write, .csv or .parquet.")],
    settings: Annotated[Path | None, typer.Option(help="A shop.yaml; default: the project's own.")] = None,
) -> None:
    """Sort customers into the five groups, file to file, with no database."""
    from habitue.segments import segment_file
    from habitue.shop import load_shop

    shop = load_shop(settings)
    with console.status("reading the orders"):
        result = segment_file(
            orders, out, on=on.date(), settings=shop.segments, scoring=shop.scoring, timezone=shop.timezone
        )
    console.print(result)
    console.print(f"→ {out}")


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the tables of HABITUE_DATABASE_URL to this version."""
    from habitue.database import upgrade
    from habitue.house import House

    upgrade(House.of(os.environ).engine)
    console.print("the base is up to date")


@app.command()
def demo(
    source: Annotated[
        str | None, typer.Option(help="A file in include/sources; default: the demonstration shop.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The folder with the source's files.")] = None,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The date to play.")] = None,
    out: Annotated[Path, typer.Option(help="The folder where everything lands.")] = Path("var/demo"),
) -> None:
    """Run the main job once, through Airflow, on the embedded PostgreSQL, and say what came of it."""
    from habitue.demonstration import DEMO_DAY, run_demo

    run_demo(console, source=source, data=data, on=on.date() if on else DEMO_DAY, out=out)


@app.command("demo-quarter")
def demo_quarter(
    out: Annotated[Path, typer.Option(envvar="HABITUE_OUT", help="The folder of the demonstration.")] = Path(
        "var/demo"
    ),
    seed: Annotated[int, typer.Option(help="The same seed gives the same purchases.")] = 1,
) -> None:
    """Let the demonstration of `habitue demo` live through a quarter: what was bought, what its messages brought in."""
    from habitue.demonstration import run_quarter

    run_quarter(console, out=out, seed=seed)


@app.command()
def up(
    source: Annotated[
        str | None, typer.Option(help="A file in include/sources; default: the demonstration shop.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The folder with the source's files.")] = None,
    out: Annotated[Path, typer.Option(help="The folder where everything lands.")] = Path("var/demo"),
    port: Annotated[int, typer.Option(help="The UI's port on 127.0.0.1.")] = 8080,
) -> None:
    """Airflow with its UI on the embedded PostgreSQL, until Ctrl-C or `habitue down`."""
    from habitue.demonstration import run_airflow

    raise typer.Exit(run_airflow(console, source=source, data=data, out=out, port=port))


@app.command()
def down() -> None:
    """Stop what `habitue up` started."""
    from habitue.demonstration import PID_FILE

    if not PID_FILE.exists():
        console.print("nothing is running")
        return
    try:
        os.kill(int(PID_FILE.read_text()), signal.SIGTERM)
    except ProcessLookupError:  # it died without tidying up
        PID_FILE.unlink()
        console.print("nothing is running")
        return
    with console.status("stopping Airflow and PostgreSQL"):
        for _ in range(120):
            if not PID_FILE.exists():
                console.print("stopped")
                return
            time.sleep(0.5)
    errors.print("it has not stopped within a minute; see airflow.log in the output folder")
    raise typer.Exit(1)


def main() -> None:
    """Errors that are ours are sentences; anything else shows where it happened."""
    try:
        app()
    except HabitueError as error:
        errors.print(str(error), markup=False, highlight=False)
        raise SystemExit(1) from None
