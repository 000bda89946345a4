"""Kills workers on purpose and prints what came of it: `python -m tests.crash --kills 100 --messages 5000`."""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.crash.harness import broken, killed, restored
from tests.crash.servers import Database, database
from tests.crash.verdict import Evidence, figures, findings


def scenarios(kind: str, messages: int, kills: int, seed: int) -> Iterator[tuple[str, Callable[..., Evidence]]]:
    harm = {"messages": messages, "kills": kills, "restarts": max(1, kills // 10), "seed": seed}
    yield "at most once", partial(killed, kind=kind, **harm)
    again = {"messages": messages // 5, "kills": max(1, kills // 5), "restarts": max(1, kills // 50), "seed": seed}
    yield "at least once", partial(killed, kind=kind, delivery="at_least_once", **again)
    yield "restored from a copy", partial(restored, kind=kind, messages=messages // 5, seed=seed)
    yield "circuit breaker", partial(broken, kind=kind, messages=max(300, messages // 10), seed=seed)


def trials(kind: str, messages: int, kills: int, seed: int, folder: Path, base: Database) -> bool:
    """Prints the figures of all scenarios of one sender; False where something was found."""
    console = Console()
    seen: dict[str, Evidence] = {}
    for name, scenario in scenarios(kind, messages, kills, seed):
        seen[name] = scenario(folder, base)
        for sentence in findings(seen[name]):
            console.print(f"[bold red]{kind}, {name}: {sentence}")
    table = Table(title=f"Crash harness, {kind}, seed {seed}", title_justify="left")
    table.add_column("", no_wrap=True)
    columns = [figures(evidence) for evidence in seen.values()]
    for name in seen:
        table.add_column(name, justify="right")
    for row in columns[0]:
        table.add_row(row, *(str(column[row]) for column in columns))
    console.print(table)
    return not any(map(findings, seen.values()))


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--sender", choices=["smtp", "sendgrid", "both"], default="both")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    kinds = ["smtp", "sendgrid"] if given.sender == "both" else [given.sender]
    with tempfile.TemporaryDirectory(prefix="habitue-crash-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the embedded PostgreSQL of root runs as another user and must reach its folder
        with database(folder / "postgres") as base:
            good = [trials(kind, given.messages, given.kills, given.seed, folder, base) for kind in kinds]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
