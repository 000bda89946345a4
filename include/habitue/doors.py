"""The house as the command line finds it: by the environment, or as `make demo` and `make up` left it in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from habitue import clock, database
from habitue.house import House

SITE = "site.json"
"""In the folder of results: with which settings it was made."""


def leave_open(out: Path, settings: Mapping[str, str]) -> None:
    """Keeps with which settings the folder was made, so that commands find their house again."""
    kept = {name: value for name, value in settings.items() if name != "HABITUE_DATABASE_URL"}
    (out / SITE).write_text(json.dumps(kept, indent=1) + "\n")


@contextmanager
def found(environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The settings of the house.

    Where HABITUE_DATABASE_URL names no database, but HABITUE_OUT (default `var/demo`) holds what a demonstration left,
    they are its settings, and its embedded PostgreSQL is started for as long.
    """
    settings = dict(environ)
    with ExitStack() as open_things:
        site = Path(settings.get("HABITUE_OUT") or "var/demo") / SITE
        named = settings.get("HABITUE_DATABASE_URL") or settings.get("HABITUE_DATABASE_URL_FILE")
        if not named and site.exists():
            settings = {**json.loads(site.read_text()), **settings}
            server = open_things.enter_context(database.embedded(site.parent / "postgres"))
            url = database.ensure_database(server, "habitue")
            settings["HABITUE_DATABASE_URL"] = url.render_as_string(hide_password=False)
        yield settings


@contextmanager
def opened(environ: Mapping[str, str]) -> Iterator[tuple[House, datetime]]:
    """The house and the moment, which in a demonstration's house is on the day that it played."""
    with found(environ) as settings:
        house = House.of(settings)
        try:
            yield house, clock.now(settings, house.shop.tz)
        finally:
            house.engine.dispose()
