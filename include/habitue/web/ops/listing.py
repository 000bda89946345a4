"""Tables that sort, filter and page on the server, and go out as CSV and XLSX.

    CUSTOMERS = Listing("exclusions", "ops/excluded", key="customer_id", columns=(
        Column("customer_id", N_("Customer"), link=lambda here, row: here.url("customers", row["customer_id"])),
        Column("amount_cents", N_("Spent"), "money"),
    ), filters=(Filter("segment", N_("Group"), options=groups),))

    shown = CUSTOMERS.show(here, request.query_params, run_id=run_id)      # for `listing.html.j2`
    CUSTOMERS.download(here, request.query_params, run_id=run_id)          # a file, where `as` was asked for

The question is a file of include/sql with the columns' keys among its columns. What the browser sends chooses among
columns and options of ours; what it writes into a filter is a parameter, never SQL.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fastapi.responses import FileResponse, Response
from sqlalchemy import text
from starlette.background import BackgroundTask

from habitue.calls import Cell, cell_text, write_table
from habitue.kinds import Audited
from habitue.report import clock_time, count, percent
from habitue.shop import Shop
from habitue.statements import source
from habitue.texts import long_date, money, price
from habitue.web.ops.shell import Visit, as_read_in

Row = Mapping[str, Any]
Asked = Mapping[str, str]
Kind = Literal["text", "count", "money", "price", "day", "moment", "percent"]
NUMBERS = frozenset({"count", "money", "price", "percent"})
A_PAGE = 50
MOST_ROWS = 1_000_000
"""An XLSX sheet holds no more than 1,048,576."""


def N_(english: str) -> str:  # noqa: N802 - gettext's name for it
    """Marks a sentence that is translated where it is shown."""
    return english


@dataclass(frozen=True)
class Column:
    """One column. `kind` says how its values are written: `money` is in cents, `price` in millionths, `percent` a share
    of 1. `says` writes a value in the visitor's words (a rule's name), in files too; `link` leads on from it."""

    key: str
    title: str
    kind: Kind = "text"
    sortable: bool = True
    says: Callable[[Visit, Any], str] | None = None
    link: Callable[[Visit, Row], str | None] | None = None


@dataclass(frozen=True)
class Filter:
    """Narrows to rows whose column is the chosen option, or, without options, contains what is written."""

    key: str
    title: str
    options: Callable[[Visit], Iterable[tuple[str, str]]] | None = None


@dataclass(frozen=True)
class ShownColumn:
    key: str
    title: str
    sortable: bool
    is_number: bool
    link: Callable[[Row], str | None] | None


@dataclass(frozen=True)
class ShownFilter:
    key: str
    title: str
    options: Sequence[tuple[str, str]]
    value: str


@dataclass(frozen=True)
class Shown:
    """One page of a listing, for `listing.html.j2`."""

    name: str
    title: str
    method: str
    action: str
    columns: Sequence[ShownColumn]
    filters: Sequence[ShownFilter]
    rows: Sequence[Row]
    total: int
    page: int
    pages: int
    sort: str
    descending: bool
    range: str
    kept: Asked
    """what the form sends along besides: see `Listing.show`"""
    cell: Callable[[Row, ShownColumn], str]
    downloads: bool

    @property
    def sorted_by(self) -> str:
        """How it is sorted, as the form sends it."""
        return f"-{self.sort}" if self.descending else self.sort

    @property
    def carried(self) -> dict[str, str]:
        """What a download must know to hold what is shown."""
        return {**self.kept, **{one.key: one.value for one in self.filters if one.value}, "by": self.sorted_by}


@dataclass(frozen=True)
class Listing:
    """A table over a question (`include/sql/<sql>.sql`). `key`: a column that tells its rows apart. `method`: `post`
    where what is looked for is personal and must not stand in an address. `personal`: taking it out is audited."""

    name: str
    sql: str
    columns: tuple[Column, ...]
    key: str
    title: str
    filters: tuple[Filter, ...] = ()
    sort: str = ""
    """the column by which it is sorted at first, with `-` for the largest first"""
    method: Literal["get", "post"] = "get"
    a_page: int = A_PAGE
    downloads: bool = True
    personal: bool = True
    _by_key: dict[str, Column] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_key.update({column.key: column for column in self.columns})

    def show(self, here: Visit, asked: Asked, *, action: str, kept: Asked | None = None, **parameters: Any) -> Shown:
        """The page that `asked` (the fields of the form) wants. `action`: the address of the page; `kept`: fields that
        it needs besides; `parameters`: those of the question."""
        sort, descending = self._order(asked)
        filters = [self._filter(here, one, asked) for one in self.filters]
        with self.connected(here) as connection:
            where, bound = self._where(filters)
            counting = text(f"select count(*) from ({source(self.sql)}\n) t {where}")  # noqa: S608 - files and keys of ours
            total = int(connection.scalar(counting, {**parameters, **bound}) or 0)
            pages = max(1, -(-total // self.a_page))
            number = min(max(1, _whole(asked.get("page"))), pages)
            rows = self._rows(connection, where, {**parameters, **bound}, sort, descending, number)
        columns = [
            ShownColumn(
                one.key,
                here.say(one.title),
                one.sortable,
                one.kind in NUMBERS,
                partial(one.link, here) if one.link else None,
            )
            for one in self.columns
        ]
        shop = as_read_in(here.shop, here.language)
        first = (number - 1) * self.a_page + 1
        said = {"first": count(first, here.language), "last": count(first + len(rows) - 1, here.language)}
        return Shown(
            name=self.name,
            title=here.say(self.title),
            method=self.method,
            action=action,
            columns=columns,
            filters=filters,
            rows=rows,
            total=total,
            page=number,
            pages=pages,
            sort=sort,
            descending=descending,
            range=here.say("{first} to {last} of {all}", **said, all=count(total, here.language)) if rows else "",
            kept=kept or {},
            cell=lambda row, column: _written(here, self._by_key[column.key], row[column.key], shop),
            downloads=self.downloads,
        )

    def download(self, here: Visit, asked: Asked, *, of: str | None = None, **parameters: Any) -> Response:
        """All the rows that are shown page by page, as a file (`as`: csv or xlsx); what went out is audited. `of`: the
        one customer whom all rows are about."""
        kind = "xlsx" if asked.get("as") == "xlsx" else "csv"
        where, bound = self._where([self._filter(here, one, asked) for one in self.filters])
        sort, descending = self._order(asked)
        titles = [here.say(column.title) for column in self.columns]
        shop = as_read_in(here.shop, here.language)
        with tempfile.NamedTemporaryFile(prefix="habitue-", suffix=f".{kind}", delete=False) as made:
            file = Path(made.name)
        with self.connected(here) as connection:
            found = (
                connection.execution_options(yield_per=2_000)
                .execute(
                    text(f"{self._select(where)} {self._by(sort, descending)} limit {MOST_ROWS}"),
                    {**parameters, **bound},
                )
                .mappings()
            )
            cells = ([_cell(here, column, row[column.key]) for column in self.columns] for row in found)
            rows = (write_table if kind == "csv" else write_sheet)(file, titles, cells, shop=shop)
        if self.personal:
            here.note(Audited.EXPORTED, of, subject=self.name, rows=rows)
        return FileResponse(
            file, filename=f"{self.name}-{here.at:%Y-%m-%d}.{kind}", background=BackgroundTask(file.unlink)
        )

    def connected(self, here: Visit) -> AbstractContextManager[Any]:
        """Where the question is asked."""
        return here.house.engine.connect()

    def _select(self, where: str) -> str:
        return f"select * from ({source(self.sql)}\n) t {where}"  # noqa: S608 - files and keys of ours

    def _rows(
        self, connection: Any, where: str, bound: Mapping[str, Any], sort: str, descending: bool, page: int
    ) -> Sequence[Row]:
        places = {"listing_limit": self.a_page, "listing_offset": (page - 1) * self.a_page}
        asked = f"{self._select(where)} {self._by(sort, descending)} limit :listing_limit offset :listing_offset"
        return [dict(row) for row in connection.execute(text(asked), {**bound, **places}).mappings()]

    def _by(self, sort: str, descending: bool) -> str:
        return f'order by "{sort}" {"desc" if descending else "asc"} nulls last, "{self.key}"'

    def _order(self, asked: Asked) -> tuple[str, bool]:
        for wanted in (asked.get("sort", ""), asked.get("by", ""), self.sort):
            name = wanted.removeprefix("-")
            if name in self._by_key and self._by_key[name].sortable:
                return name, wanted.startswith("-")
        return self.columns[0].key, False

    def _filter(self, here: Visit, one: Filter, asked: Asked) -> ShownFilter:
        options = list(one.options(here)) if one.options else []
        value = asked.get(one.key, "")[:80].replace("\0", "")
        if options and value not in [name for name, _ in options]:
            value = ""
        return ShownFilter(one.key, here.say(one.title), options, value)

    def _where(self, filters: Sequence[ShownFilter]) -> tuple[str, dict[str, str]]:
        parts, bound = [], {}
        for one in filters:
            if one.value:
                name = f"listing_{one.key}"
                value = f't."{one.key}"::text'
                parts.append(f"{value} = :{name}" if one.options else f"strpos(lower({value}), lower(:{name})) > 0")
                bound[name] = one.value
        return ("where " + " and ".join(parts) if parts else ""), bound


def write_sheet(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, shop: Shop) -> int:
    """Writes an XLSX with one sheet, as `write_table` writes a CSV: no cell is a formula."""
    import xlsxwriter

    total = 0
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(path, options) as book:
        sheet, bold = book.add_worksheet(), book.add_format({"bold": True})
        day = book.add_format({"num_format": "dd/mm/yyyy"})
        sheet.freeze_panes(1, 0)
        for place, title in enumerate(columns):
            sheet.write_string(0, place, title, bold)
        for total, row in enumerate(rows, start=1):
            for place, value in enumerate(row):
                _put(sheet, total, place, value, day)
    return total


def _put(sheet: Any, row: int, place: int, value: Cell, day: Any) -> None:
    if value is None:
        return
    if isinstance(value, date):
        sheet.write_datetime(row, place, value, day)
    elif isinstance(value, str):
        sheet.write_string(row, place, cell_text(value))
    else:
        sheet.write_number(row, place, value)


def _whole(written: str | None) -> int:
    return int(written) if written and written.isascii() and written.isdigit() and len(written) < 9 else 1


def _written(here: Visit, column: Column, value: Any, shop: Shop) -> str:
    """A value as the page shows it."""
    if value is None:
        return ""
    if column.says:
        return column.says(here, value)
    language = here.language
    match column.kind:
        case "count":
            return count(value, language)
        case "money":
            return money(value, shop.currency, language)
        case "price":
            return price(value, shop.currency, language)
        case "percent":
            return percent(value, language)
        case "day":
            return long_date(value, language)
        case "moment":
            return clock_time(value.astimezone(shop.tz), language)
    return str(value)


def _cell(here: Visit, column: Column, value: Any) -> Cell:
    """A value as a file holds it: numbers and days stay what they are."""
    if value is None:
        return None
    if column.says:
        return column.says(here, value)
    if isinstance(value, datetime):
        return value.astimezone(here.shop.tz).strftime("%Y-%m-%d %H:%M")
    match column.kind:
        case "money":
            return Decimal(value) / 100
        case "price":
            return Decimal(value) / 1_000_000
        case "percent":
            return Decimal(str(round(value, 6)))
    return value if isinstance(value, str | int | Decimal | date) else str(value)
