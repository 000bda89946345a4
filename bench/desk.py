"""The call desk: twenty agents at once on a list of 5,000, each page timed, over loopback.

The server is a process of its own, and so is the database; the agents' browsers are threads of this one, and all of
them share the machine. Agents think for a while between two clicks, which is far shorter than a call lasts; without a
pause the figure would be how long twenty requests queue, not how long a page takes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

LINES = int(os.environ.get("BENCH_LINES", "5000"))
AGENTS = 20
CALLS = int(os.environ.get("BENCH_CALLS", "5"))
"""Of each agent."""
PAUSE = 1.0
"""Seconds between two clicks of an agent."""


def main() -> None:
    """Prints the median and the 95th percentile of every page, in milliseconds."""
    from rich.console import Console
    from rich.table import Table

    from desk_load import desk_served, given_twice, percentile, worked
    from desk_site import call_list
    from habitue.campaigns import Campaign
    from habitue.database import connect, embedded, ensure_database, upgrade

    Campaign.template_files = lambda self, languages: {"copy": "0"}  # type: ignore[method-assign, assignment]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        with embedded(folder / "postgres") as server:
            url = ensure_database(server, "bench_desk")
            base = connect(url)
            upgrade(base)
            call_list(base, LINES)
            with desk_served(url.render_as_string(hide_password=False), folder) as address:
                worked(address, 4, 1)  # the first page of a process compiles what the next ones use
                browsers = worked(address, AGENTS, CALLS, pause=PAUSE)
            base.dispose()
    title = f"The call desk: {AGENTS} agents, {LINES:,} lines, {sum(len(one.ended) for one in browsers)} calls"
    table = Table(title=title, title_justify="left")
    for heading in ("page", "median ms", "95 % ms"):
        table.add_column(heading, justify="left" if heading == "page" else "right")
    for what in ("next", "card", "dial", "talk", "end", None):
        taken = (percentile(browsers, share, what) for share in (0.5, 0.95))
        table.add_row(what or "all", *(f"{one:.0f}" for one in taken))
    Console().print(table)
    Console().print(f"given twice: {len(given_twice(browsers))}")


if __name__ == "__main__":
    main()
