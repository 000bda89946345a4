"""What was kept out, for the shop to mend: files that open in any spreadsheet and run nothing there."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "\0")


def safe_cell(value: str | None) -> str:
    """The text with an apostrophe before it where a spreadsheet would run it (OWASP, CSV injection; ASVS 1.2.10)."""
    if not value:
        return ""
    risky = value.startswith(FORMULA_STARTS) or value.lstrip(" \u00a0\"'").startswith(FORMULA_STARTS)
    return "'" + value.replace("\0", "") if risky else value


def write_quarantine(checked: Path, out: Path) -> None:
    """`out/customers.csv`, `orders.csv`, `consents.csv` and `problems.csv`: UTF-8 with a mark, `;`, all quoted.

    Files hold personal data and are readable by their owner only. Those of an earlier run are replaced.
    """
    out.mkdir(parents=True, exist_ok=True)
    sources = [*sorted((checked / "quarantine").glob("*.parquet")), checked / "problems.parquet"]
    for source in sources:
        if source.exists():
            _write(source, out / f"{source.stem}.csv")


def _write(source: Path, target: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.ParquetFile(source)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with part.open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file, delimiter=";", quoting=csv.QUOTE_ALL)
        rows.writerow(table.schema_arrow.names)
        rows.writerows(_cells(table))
    part.replace(target)


def _cells(table: Any) -> Iterator[list[str]]:
    for batch in table.iter_batches(batch_size=10_000):
        columns = [batch.column(name).to_pylist() for name in batch.schema.names]
        for row in zip(*columns, strict=True):
            yield [safe_cell(None if value is None else str(value)) for value in row]
