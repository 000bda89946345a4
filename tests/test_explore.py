"""docs/explore.ipynb: run from top to bottom on the demonstration shop's lake; what it shows is what the lake holds."""

from __future__ import annotations

import re
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
def opened(night: Path) -> Any:
    """The notebook, run as whoever opens it runs it."""
    book = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        book, timeout=120, startup_timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HABITUE_OUT", str(night))
        client.execute()
    return book


def shown(book: Any, kind: str) -> list[str]:
    """Of the cells in order, what they show of that kind."""
    outputs = [out for cell in book.cells if cell.cell_type == "code" for out in cell.outputs]
    return ["".join(out["data"][kind]) for out in outputs if kind in out.get("data", {})]


def rows(table: str) -> list[list[str]]:
    """The body of a table of pandas, cell by cell; the first is the index."""
    found = re.findall(r"<tr.*?</tr>", table.split("<tbody>")[1], re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in found]


def test_its_tables_say_what_the_lake_says(opened: Any, night: Path) -> None:
    last = Lake(night / "lake").latest()
    assert last is not None
    stands = pd.read_parquet(last.segments)
    orders = pd.concat([pd.read_parquet(month) for month in last.orders])
    groups, sales, cohorts = [rows(table) for table in shown(opened, "text/html")[:3]]
    assert {row[1]: int(row[2]) for row in groups} == stands["segment"].value_counts().to_dict()
    months = orders.groupby(orders["ordered_at"].dt.strftime("%Y-%m-01"))["amount_cents"].sum() / 100
    assert [float(row[4]) for row in sales] == pytest.approx(months.tail(12).to_list())
    bought = orders.loc[orders["amount_cents"] > 0, "customer_id"].nunique()
    assert sum(int(row[1]) for row in cohorts if row[1].isdigit()) == bought
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
