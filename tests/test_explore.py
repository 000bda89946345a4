"""docs/explore.ipynb: run from top to bottom on the demonstration shop's lake; what it shows is what the lake holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from conftest import ROOT
from habitue.lake import Lake
from test_runs import night

__all__ = ["night"]

NOTEBOOK = ROOT / "docs" / "explore.ipynb"


@pytest.fixture(scope="module")
def opened(night: Path) -> Iterator[Any]:
    """The notebook, run as whoever opens it runs it."""
    book = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(book, timeout=60, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HABITUE_OUT", str(night))
        client.execute()
    yield book


def shown(book: Any, kind: str) -> list[str]:
    """Of the cells in order, what they show of that kind."""
    outputs = [out for cell in book.cells if cell.cell_type == "code" for out in cell.outputs]
    return ["".join(out["data"][kind]) for out in outputs if kind in out.get("data", {})]


def test_its_tables_say_what_the_lake_says(opened: Any, night: Path) -> None:
    last = Lake(night / "lake").latest()
    assert last is not None
    stands = pd.read_parquet(last.segments)
    orders = pd.concat([pd.read_parquet(month) for month in last.orders])
    groups, sales, cohorts, _ = [pd.read_html(table)[0] for table in shown(opened, "text/html")]
    assert dict(zip(groups["segment"], groups["customers"], strict=True)) == stands["segment"].value_counts().to_dict()
    year = orders[orders["ordered_at"] >= "2025-10-01"]
    assert sales["sold"].sum() == pytest.approx(year["amount_cents"].sum() / 100)
    assert cohorts.iloc[:, 1].sum() == orders.loc[orders["amount_cents"] > 0, "customer_id"].nunique()
    assert shown(opened, "image/svg+xml")[0].startswith("<svg")


def test_it_tells_of_nobody(opened: Any, night: Path) -> None:
    last = Lake(night / "lake").latest()
    assert last is not None
    people = pd.read_parquet(last.customers)
    said = " ".join(shown(opened, "text/html") + shown(opened, "text/plain"))
    for known in ("email", "phone", "last_name"):
        assert not [value for value in people[known].dropna() if len(value) > 3 and f">{value}<" in said]


def test_it_is_kept_without_what_it_showed() -> None:
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert [
        cell.source for cell in book.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)
    ] == []
