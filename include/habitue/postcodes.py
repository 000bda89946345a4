"""Which towns a postcode serves, where the shop gives a table: La Poste's HEXASIMAL file, or any of two columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from habitue.addresses import plain
from habitue.errors import SettingError

POSTCODES = frozenset({"POSTCODE", "CODE POSTAL"})
TOWNS = frozenset({"TOWN", "COMMUNE", "NOM DE LA COMMUNE", "LIBELLE D ACHEMINEMENT", "LIGNE 5"})

Table = Mapping[str, frozenset[str]]


@cache
def town_table(path: Path) -> Table:
    """The towns of each postcode, from a CSV with `;` and a header that names `postcode` and `town` (or La Poste's
    columns). SettingError where it is not one."""
    found: dict[str, set[str]] = {}
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = path.read_text("cp1252").splitlines()
    except OSError:
        raise SettingError(f"shop.yaml: validation.postcodes: no file {path}") from None
    rows = csv.reader(lines, delimiter=";")
    header = [plain(name) for name in next(rows, [])]
    codes = [place for place, name in enumerate(header) if name in POSTCODES]
    towns = [place for place, name in enumerate(header) if name in TOWNS]
    if not codes or not towns:
        raise SettingError(f"shop.yaml: validation.postcodes: {path.name}: the first line must name postcode;town")
    for row in rows:
        if len(row) == len(header):
            served = found.setdefault(row[codes[0]].strip().rjust(5, "0"), set())
            served.update(town for place in towns if (town := _town(row[place])))
    return {code: frozenset(served) for code, served in found.items()}


def is_elsewhere(table: Table, postcode: str | None, city: str | None) -> bool:
    """Whether the postcode serves other towns than this one. A CEDEX is a code of the post's own and in no table."""
    if not postcode or not city:
        return False
    town = plain(city)
    if "CEDEX" in town.split():
        return False
    return _town(town) not in table.get(postcode, frozenset())


def _town(name: str) -> str:
    """A town without what is written differently: ST for SAINT, its arrondissement."""
    town = re.sub(r"\bSAINT(E?)\b", r"ST\1", plain(name))
    return re.sub(r" \d+ ?(?:ER|E|EME)?(?: ARRONDISSEMENT)?$", "", town)
