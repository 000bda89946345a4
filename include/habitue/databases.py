"""A shop's own SQL database as a `Source`: the dataset's SQL runs there, its rows come by a server-side cursor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from habitue.errors import SettingError, SourceError
from habitue.sources import BATCH_ROWS, STAGED, Dataset, SourceSpec, check_columns, check_parameters

if TYPE_CHECKING:
    import pyarrow as pa


class DatabaseSource:
    """Any SQLAlchemy URL."""

    def __init__(self, spec: SourceSpec, timezone: str, url: str) -> None:
        self.spec = spec
        self.timezone = timezone
        self.url = url

    def fetch(self, dataset: Dataset, since: date | None, until: date) -> Iterator[pa.RecordBatch]:
        """Batches of 50,000 rows; the whole result never stands in memory."""
        import pyarrow as pa

        statement, given = self._statement(dataset, since, until)
        engine = self._engine()
        try:
            with engine.connect() as connection:
                result = connection.execution_options(stream_results=True, max_row_buffer=BATCH_ROWS).execute(
                    statement, given
                )
                names = list(result.keys())
                check_columns(self.spec, dataset, names)
                schema = pa.schema([(name, _arrow_type(STAGED[dataset].get(name))) for name in names])
                # The size stands here: without it `partitions` of SQLAlchemy 2.1.9 gives one part, or rows one by one.
                for part in result.partitions(BATCH_ROWS):
                    yield self._batch(part, schema)
                yield _empty(schema)
        except DBAPIError as error:
            raise self._explained(dataset, error) from None
        finally:
            engine.dispose()

    def _engine(self) -> sa.Engine:
        try:
            return sa.create_engine(self.url)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise SettingError(
                f"source {self.spec.name}: its URL can't be used ({type(error).__name__}); "
                "it is like postgresql+psycopg://user:password@host/database, and its driver must be installed"
            ) from None

    def _statement(self, dataset: Dataset, since: date | None, until: date) -> tuple[sa.TextClause, dict[str, Any]]:
        statement = sa.text(self.spec.sql_path(dataset).read_text("utf-8"))
        used = set(statement._bindparams)
        given = check_parameters(self.spec, dataset, used, self.spec.given(since, until, self.timezone))
        typed: list[sa.BindParameter[Any]] = [
            sa.bindparam(name, type_=sa.Date) for name in ("since", "until") if name in used
        ]
        if "not_products" in used:
            typed.append(sa.bindparam("not_products", expanding=True))
        return statement.bindparams(*typed), given

    def _batch(self, rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
        import pyarrow as pa

        zone = ZoneInfo(self.timezone)
        columns = list(zip(*rows, strict=True))
        arrays = [
            pa.array(_values(column, field.type, zone), type=field.type)
            for column, field in zip(columns, schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _explained(self, dataset: Dataset, error: DBAPIError) -> SourceError:
        """A driver's message may quote values of customers or the URL: only names of schema are taken from it."""
        where = f"source {self.spec.name}: {self.spec.datasets[dataset].sql}"
        if lost := LOST.search(str(error.orig)):
            return SourceError(f"{where} reads the {lost['kind']} {lost['name']}, which the database has not got")
        if lost := SQLITE_LOST.search(str(error.orig)):
            return SourceError(f"{where} reads the {lost['kind']} {lost['name']}, which the database has not got")
        if error.connection_invalidated or isinstance(error, sa.exc.OperationalError):
            return SourceError(f"{where}: the database can't be reached or broke off ({type(error.orig).__name__})")
        return SourceError(
            f"{where} was refused by the database ({type(error.orig).__name__}); try it there to see why"
        )


LOST = re.compile(r'(?P<kind>column|relation|table) "?(?P<name>[\w.]+)"? does not exist')
SQLITE_LOST = re.compile(r"no such (?P<kind>column|table): (?P<name>[\w.]+)")


def _arrow_type(duckdb_type: str | None) -> pa.DataType:
    import pyarrow as pa

    types = {"TIMESTAMP": pa.timestamp("us"), "DOUBLE": pa.float64(), "BIGINT": pa.int64()}
    return types.get(duckdb_type or "", pa.string())


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], type=field.type) for field in schema], schema=schema)


def _values(column: Sequence[Any], arrow_type: pa.DataType, zone: ZoneInfo) -> Sequence[Any]:
    import pyarrow.types as kinds

    if kinds.is_timestamp(arrow_type):
        return [_moment(value, zone) for value in column]
    if kinds.is_integer(arrow_type):
        return [value if value is None or type(value) is int else _whole(value) for value in column]
    if kinds.is_floating(arrow_type):
        return [value if value is None or type(value) is float else _number(value) for value in column]
    return [value if value is None or type(value) is str else _text(value) for value in column]


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)  # a datetime is a date


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _whole(value: Any) -> int | None:
    try:
        return int(Decimal(str(value)).to_integral_value(ROUND_HALF_UP))
    except (InvalidOperation, ValueError, OverflowError):
        return None


def _moment(value: Any, zone: ZoneInfo) -> datetime | None:
    """Shop time without an offset: SQLite gives text, PostgreSQL's timestamptz a moment of some other zone."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value.astimezone(zone).replace(tzinfo=None) if value.tzinfo else value
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else None  # noqa: DTZ001
