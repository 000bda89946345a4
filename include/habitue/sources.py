"""Where a shop's data is and what its columns mean: `include/sources/*.yaml`, read strictly, opened as a `Source`.

A source gives three datasets, `customers`, `orders`, `consents`. For each an SQL file maps the shop's columns to
ours (`STAGED`) and may give two kinds of column more: `left_out` (NULL = keep, else the reason, one word) and the
columns of a `unique_by`. For files the SQL runs in DuckDB on the views named under `files:`, with `$name` parameters
and the functions of `include/sql/extract/functions.sql`; for databases in the database itself, with `:name`.
Parameters: since, until (days, until exclusive), timezone (the shop's), not_products (a list), and the source's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, get_args

from pydantic import Field, model_validator

from habitue.errors import SettingError, SourceError
from habitue.settings import INCLUDE, Strict, read_yaml, validate
from habitue.shop import Shop, load_shop

if TYPE_CHECKING:
    import pyarrow as pa

Dataset = Literal["customers", "orders", "consents"]
DATASETS: tuple[Dataset, ...] = get_args(Dataset)

STAGED: dict[Dataset, dict[str, str]] = {
    "customers": dict.fromkeys(
        (
            *("customer_id", "civility", "first_name", "last_name", "birth_date", "language", "email", "phone"),
            *("street", "address_extra", "postcode", "city", "country", "created_on", "deceased_on"),
        ),
        "VARCHAR",
    ),
    "orders": {
        "order_id": "VARCHAR",
        "customer_id": "VARCHAR",
        "ordered_at": "TIMESTAMP",  # shop time, NULL where it can't be read
        "product_code": "VARCHAR",
        "product_name": "VARCHAR",
        "quantity": "DOUBLE",
        "amount_cents": "BIGINT",  # of the line, a return negative, NULL where it can't be read
    },
    "consents": dict.fromkeys(
        (
            *("customer_id", "channel", "purpose", "status", "basis", "recorded_at", "valid_until"),
            *("source", "wording_version"),
        ),
        "VARCHAR",
    ),
}
"""The canonical columns of the three datasets and their DuckDB types; dates of people and consents are ISO text."""

BATCH_ROWS = 50_000
BEGINNING = date(1, 1, 1)
"""`since` of a full run: the day before which nothing was bought."""

SAFE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"


class FileSpec(Strict):
    """A file, or several of the same kind by a pattern (in the order of their names); exposed as a view."""

    path: str
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    """Columns that must be there, and what each means; others may come along."""


class DatasetSpec(Strict):
    sql: str = Field(pattern=r"^[\w.-]+\.sql$")
    unique_by: Literal["exact"] | list[str] | None = None
    """Which rows are the same row delivered again: `exact` (every canonical column), or these columns of the SQL
    (the one read last counts, so that a correction is taken)."""


class SourceSpec(Strict):
    name: str
    folder: Path
    data: Path | None = None

    kind: Literal["sql", "csv", "parquet"]
    title: str
    shop: dict[str, Any] = Field(default_factory=dict)
    """Settings of shop.yaml that are other for this source."""
    url: str | None = None
    url_from: str | None = Field(None, pattern=SAFE_NAME)
    """Environment variable that holds the URL, or with `_FILE` behind its name the path of a file that does."""
    connection: str | None = None
    """An Airflow connection; whoever wires Airflow turns it into a URL."""
    files: dict[str, FileSpec] = Field(default_factory=dict)
    decimal: Literal[",", "."] | None = None
    dates: list[str] = Field(default_factory=list)
    """How dates are written besides ISO, as for strptime; found out where nothing is said."""
    datasets: dict[Dataset, DatasetSpec]
    not_products: list[str] = Field(default_factory=list)
    parameters: dict[str, str | int | float] = Field(default_factory=dict)
    lookback_days: int = Field(9, ge=0)
    """A nightly run reads so many days again, for what was entered late."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if missing := [dataset for dataset in DATASETS if dataset not in self.datasets]:
            raise ValueError(f"datasets lacks {', '.join(missing)}")
        if self.kind == "sql" and self.files:
            raise ValueError("kind sql takes url, url_from or connection, no files")
        if self.kind != "sql" and (self.url or self.url_from or self.connection or not self.files):
            raise ValueError(f"kind {self.kind} takes files, no url, url_from or connection")
        if odd := [name for name in self.files if not re.match(SAFE_NAME, name)]:
            raise ValueError(f"files.{odd[0]}: a name has letters, digits and _ only, the SQL uses it")
        if self.kind == "parquet" and any(file.delimiter or file.encoding for file in self.files.values()):
            raise ValueError("delimiter and encoding are for kind csv")
        return self

    def settings(self) -> Shop:
        """The shop's settings with those that are other for this source."""
        file = next((path for path in sorted(self.folder.glob(f"{self.name}.y*ml"))), None)
        return load_shop(overrides=self.shop, overridden_in=file)

    def sql_path(self, dataset: Dataset) -> Path:
        """The dataset's SQL: in include/sql/extract/, or beside the source file."""
        name = self.datasets[dataset].sql
        for path in (INCLUDE / "sql" / "extract" / name, self.folder / name):
            if path.is_file():
                return path
        raise SettingError(f"source {self.name}: {name} is neither in include/sql/extract/ nor beside the source file")

    def given(self, since: date | None, until: date, timezone: str) -> dict[str, Any]:
        """The parameters that an SQL file may use."""
        return {
            **self.parameters,
            "since": since or BEGINNING,
            "until": until,
            "timezone": timezone,
            "not_products": self.not_products,
        }


class Source(Protocol):
    @property
    def spec(self) -> SourceSpec: ...

    @property
    def timezone(self) -> str: ...

    def fetch(self, dataset: Dataset, since: date | None, until: date) -> Iterator[pa.RecordBatch]:
        """The dataset in batches with the columns of its SQL. Orders from the day `since` to before `until`, shop
        time; a source that can't leave others out (a file) gives them too, and `extract` counts them."""
        ...


def source_file(name_or_path: str) -> Path:
    """The file of a source of include/sources/, or the path as it is."""
    named = "/" not in name_or_path and not name_or_path.endswith((".yaml", ".yml"))
    return INCLUDE / "sources" / f"{name_or_path}.yaml" if named else Path(name_or_path)


def load_source(name_or_path: str, *, data: Path | None = None) -> SourceSpec:
    """A source of include/sources/ by its name, or any YAML file by its path; `data` is the folder of its files."""
    path = source_file(name_or_path)
    if path.parent == INCLUDE / "sources" and not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
        raise SettingError(f"source {name_or_path} is not known; there are {known}, or give the path of a YAML file")
    ours = {"name": path.stem, "folder": path.parent, "data": data}
    spec = validate(path, SourceSpec, read_yaml(path), ours=ours)
    for dataset in DATASETS:
        spec.sql_path(dataset)
    return spec


def open_source(spec: SourceSpec, *, url: str | None = None, timezone: str | None = None) -> Source:
    """The source, ready to be read. `url` is for kind sql and wins over the file's; `timezone` is the shop's."""
    timezone = timezone or spec.settings().timezone
    if spec.kind == "sql":
        from habitue.databases import DatabaseSource

        return DatabaseSource(spec, timezone, url or _url(spec))
    if spec.data is None:
        raise SettingError(f"source {spec.name} reads files: say in which folder they are (DATA=…)")
    if not spec.data.is_dir():
        raise SourceError(f"source {spec.name}: there is no folder {spec.data}")
    return FileSource(spec, timezone, spec.data)


def _url(spec: SourceSpec) -> str:
    if spec.url_from:
        if url := os.environ.get(spec.url_from):
            return url
        if file := os.environ.get(f"{spec.url_from}_FILE"):
            return Path(file).read_text("utf-8").strip()
        raise SettingError(f"source {spec.name}: set {spec.url_from} (or {spec.url_from}_FILE) to the database's URL")
    if spec.url:
        return spec.url
    raise SettingError(
        f"source {spec.name}: no database is named; set url, url_from or connection in its file"
        if not spec.connection
        else f"source {spec.name}: connection {spec.connection} is Airflow's; outside of it give the URL"
    )


def check_parameters(spec: SourceSpec, dataset: Dataset, used: set[str], given: dict[str, Any]) -> dict[str, Any]:
    """Those of `given` that the SQL uses; SourceError for one that nobody gives."""
    if missing := sorted(used - given.keys()):
        raise SourceError(
            f"source {spec.name}: {spec.datasets[dataset].sql} wants the parameter {', '.join(missing)}; "
            f"there are {', '.join(sorted(given))}, others stand under `parameters:` in the source file"
        )
    return {name: given[name] for name in used}


def check_columns(spec: SourceSpec, dataset: Dataset, columns: list[str]) -> None:
    """SourceError where the result of the SQL lacks a canonical column or one of `unique_by`."""
    rule = spec.datasets[dataset].unique_by
    wanted = [*STAGED[dataset], *(rule if isinstance(rule, list) else [])]
    if missing := [name for name in wanted if name not in columns]:
        raise SourceError(
            f"source {spec.name}: {spec.datasets[dataset].sql} gives no column {', '.join(missing)}; "
            "every canonical column must be there, as NULL where the shop has none"
        )


class FileSource:
    """CSV or Parquet files, read by DuckDB."""

    def __init__(self, spec: SourceSpec, timezone: str, data: Path) -> None:
        self.spec = spec
        self.timezone = timezone
        self.data = data

    def fetch(self, dataset: Dataset, since: date | None, until: date) -> Iterator[pa.RecordBatch]:
        from habitue.file_views import rows

        yield from rows(self, dataset, since, until)

    def paths(self, name: str) -> list[Path]:
        """The files of a view, in the order of their names; SourceError where there are none."""
        pattern = self.spec.files[name].path
        base, relative = (Path("/"), pattern[1:]) if pattern.startswith("/") else (self.data, pattern)
        paths = sorted(path for path in base.glob(relative) if path.is_file())
        if not paths:
            raise SourceError(f"source {self.spec.name}: {pattern} (its `{name}`) is missing in {self.data}")
        return paths
