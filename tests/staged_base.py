"""A staged customer base for tests: what the extract leaves, made from a few rows."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

TEXT = pa.string()
COLUMNS = {
    "customers": (
        "customer_id",
        "civility",
        "first_name",
        "last_name",
        "birth_date",
        "language",
        "email",
        "phone",
        "street",
        "address_extra",
        "postcode",
        "city",
        "country",
        "created_on",
        "deceased_on",
    ),
    "consents": (
        "customer_id",
        "channel",
        "purpose",
        "status",
        "basis",
        "recorded_at",
        "valid_until",
        "source",
        "wording_version",
    ),
}
SCHEMAS = {dataset: pa.schema([(name, TEXT) for name in names]) for dataset, names in COLUMNS.items()}
SCHEMAS["orders"] = pa.schema(
    [
        *((name, TEXT) for name in ("order_id", "customer_id")),
        ("ordered_at", pa.timestamp("us")),
        *((name, TEXT) for name in ("product_code", "product_name")),
        ("quantity", pa.float64()),
        ("amount_cents", pa.int64()),
        ("offer_code", TEXT),
    ]
)

ON = date(2026, 10, 1)

ANNA: dict[str, Any] = {
    "customer_id": "anna",
    "civility": "Mme",
    "first_name": "Anna",
    "last_name": "Lefèvre",
    "birth_date": "1980-05-17",
    "language": "fr",
    "email": "anna.lefevre@example.fr",
    "phone": "01 99 00 12 34",
    "street": "12, rue des Lilas",
    "address_extra": None,
    "postcode": "69002",
    "city": "Lyon",
    "country": "FR",
    "created_on": "2020-02-29",
    "deceased_on": None,
}
"""She can be reached on every channel."""


def customer(customer_id: str, **other: Any) -> dict[str, Any]:
    """Someone like anna but for what is said."""
    return {**ANNA, "customer_id": customer_id, **other}


def order(order_id: str | None = "1", customer_id: str | None = "anna", cents: int | None = 2500, **other: Any) -> dict:
    when = datetime(2026, 9, 1, 10, 30)  # noqa: DTZ001 - the shop's local time
    line = {
        "order_id": order_id,
        "customer_id": customer_id,
        "ordered_at": when,
        "quantity": 1.0,
        "amount_cents": cents,
    }
    return {**line, **other}


def consent(customer_id: str | None = "anna", channel: str | None = "email", **other: Any) -> dict[str, Any]:
    event = {"customer_id": customer_id, "channel": channel, "purpose": "marketing", "status": "granted"}
    return {**event, "basis": "consent", "recorded_at": "2026-01-05T10:00:00+01:00", **other}


def stage(
    folder: Path,
    customers: Iterable[Mapping[str, Any]] = (ANNA,),
    orders: Iterable[Mapping[str, Any]] = (),
    consents: Iterable[Mapping[str, Any]] = (),
) -> Path:
    """Writes the three files; columns that a row does not name are null."""
    folder.mkdir(parents=True, exist_ok=True)
    for dataset, rows in (("customers", customers), ("orders", orders), ("consents", consents)):
        pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMAS[dataset]), folder / f"{dataset}.parquet")
    return folder


def read(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def by_id(path: Path) -> dict[str, dict[str, Any]]:
    return {row["customer_id"]: row for row in read(path)}


def shop_customers(path: Path) -> list[dict[str, Any]]:
    """The real export's customers as the extract stages them."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name.replace("postal_code", "postcode"): value or None for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def shop_consents(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: value or None for name, value in row.items()} for row in csv.DictReader(file)]
