"""Tables over the lake's files, or over rows that were read from them: as `listing`, asked of DuckDB.

ROWS = LakeListing("quarantine", "problems/rows", …)
ROWS.show(here, asked, action=…, file=str(path), rule="id_missing")
LINES.show(here, asked, action=…, held=rows)                    # the question reads from `held`
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from habitue.web.ops.listing import Listing
from habitue.web.ops.shell import Visit

_OURS = re.compile(r":(listing_\w+)")
_NAMES = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class LakeListing(Listing):
    """A listing whose question is DuckDB's: its parameters are `$names`."""

    @contextmanager
    def connected(self, here: Visit) -> Iterator[_Duck]:
        import duckdb

        with duckdb.connect() as duck:
            duck.execute("set enable_progress_bar = false")
            yield _Duck(duck)


class _Duck:
    """As much of a connection of SQLAlchemy as a listing asks for."""

    def __init__(self, duck: Any) -> None:
        self._duck = duck
        self._holds = False

    def execution_options(self, **_: Any) -> _Duck:
        return self

    def scalar(self, clause: Any, given: Mapping[str, Any]) -> Any:
        return self._ask(clause, given).fetchall()[0][0]

    def execute(self, clause: Any, given: Mapping[str, Any]) -> _Rows:
        return _Rows(self._ask(clause, given))

    def _ask(self, clause: Any, given: Mapping[str, Any]) -> Any:
        asked = _OURS.sub(r"$\1", str(clause.text))
        if "held" in given and not self._holds:
            self._duck.register("held", _table(given["held"]))
            self._holds = True
        return self._duck.execute(asked, {name: given[name] for name in set(_NAMES.findall(asked))})


class _Rows:
    def __init__(self, found: Any) -> None:
        self._found = found

    def mappings(self) -> Iterator[dict[str, Any]]:
        names = [column[0] for column in self._found.description]
        while rows := self._found.fetchmany(2_000):
            for row in rows:
                yield dict(zip(names, row, strict=True))


def _table(rows: Sequence[Mapping[str, Any]]) -> Any:
    import pyarrow as pa

    return pa.Table.from_pylist([dict(row) for row in rows])
