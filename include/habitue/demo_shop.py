"""The demonstration shop "Maison Tilleul": three exports as a French shop's till and website write them.

Its customers, their purchases and consents come from a model (demo_orders, demo_people, demo_consents), its errors
are planted (demo_faults). The same arguments give the same bytes, on the same releases of numpy, pyarrow and Faker.

`clients`, a row a customer (`csv`: clients.csv)
    id_client       C and seven digits; unique but for the customers that are planted twice, word for word
    civilite        M., Mme or empty
    prenom, nom     as typed; about a tenth of the last names in capitals
    date_naissance  day; often empty
    langue          fr, en
    courriel        empty or under example.fr / example.com, sometimes in capitals
    telephone       empty or national with spaces, dots or nothing between, or +33 / 0033
    adresse         number and street; complement: flat, building, residence; code_postal: five digits, text; ville
                    (CEDEX as part of it); all four empty for a few
    pays            ISO 3166 alpha-2
    cree_le         day on which the customer became known, up to eight years before the three years of purchases
    decede_le       day, empty for the living

`commandes`, a row an order line, by time within a block of BLOCK customers (`csv`: commandes.csv.gz)
    no_commande     T (ticket) or A (avoir: goods brought back), two digits of the year, a serial number
    no_ligne        1, 2, … within the order
    id_client       empty: nobody known
    date_heure      shop time, to the minute
    reference, libelle   product and its name
    quantite        whole pieces; negative: a return, on an order of its own
    prix_unitaire   euros, what was paid for a piece (a return: at the price of the sale)
    montant         euros, quantite × prix_unitaire; empty where planted
    code_avantage   the code that the customer gave at the till, mostly empty; here only such as everybody knows

`consentements`, a row an event, append-only (`csv`: consentements.csv)
    id_client
    canal           courrier, courriel, appel (else planted)
    objet           prospection
    statut          accordé, refusé, retiré
    base            client existant (soft opt-in), consentement; empty for refusals and withdrawals
    date_heure      shop time, to the minute
    valable_jusqu_au  day, for consents to be called: the same day of the next year; else empty
    origine         where it was said; version_texte: which words were shown

Format `csv`: UTF-8 without a mark, semicolons, CR LF, quotes where needed, dd/mm/yyyy, dd/mm/yyyy HH:MM, decimal
comma, nothing for what is not known. Format `parquet`: the same columns in `.parquet` files, typed as DATE,
TIMESTAMP (no zone), DECIMAL(9, 2), INT32 and text, NULL for what is not known or can't be read as such; a row group a
block. A birthday of 31 February, which no DATE can hold, stands there as a day of the year 1800.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

from habitue.errors import SettingError

if TYPE_CHECKING:
    import numpy as np

    from habitue.demo_faults import Raw
    from habitue.demo_orders import Calendar, Lives
    from habitue.demo_people import Pools

BLOCK = 10_000
"""Customers made at a time: memory does not grow with the shop."""

FILES = {"clients": "clients.csv", "commandes": "commandes.csv.gz", "consentements": "consentements.csv"}
EARLIEST = date(2000, 1, 1)
PUBLIC_CODES = ("BIENVENUE", "NOEL-25", "tilleul 10")
CODED = 0.02
"""The share of sales at which one of them was given: codes of no message, as a real till's are for the most part."""


def write_shop(
    out: Path,
    *,
    customers: int,
    seed: int,
    until: date,
    format: Literal["csv", "parquet"] = "csv",  # noqa: A002, the word that people look for
    spoilt: float = 0.03,
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Writes the exports of a shop with so many customers, whose purchases end with the day `until`, into `out`.

    `spoilt`: the share of customers with a planted fault, of lines and consents a tenth of it. `on_progress` hears
    how many customers are done. Returns the rows by file (`clients`, `commandes`, `consentements`) and the planted
    faults by kind (demo_faults). The files appear when all of them are complete. SettingError: an argument that is
    not allowed.
    """
    _check(customers, seed, until, format, spoilt)
    from habitue.demo_faults import CONSENT_FAULTS, CUSTOMER_FAULTS, LINE_FAULTS
    from habitue.demo_orders import calendar
    from habitue.demo_people import pools

    counts = Counter(dict.fromkeys((*FILES, *CUSTOMER_FAULTS, *LINE_FAULTS, *CONSENT_FAULTS), 0))
    maker = _Maker(seed, spoilt, calendar(until), pools(seed))
    out.mkdir(parents=True, exist_ok=True)
    names = FILES if format == "csv" else {name: f"{name}.parquet" for name in FILES}
    parts = {name: out / f".{names[name]}.part" for name in FILES}
    with ExitStack() as stack:
        stack.callback(_remove, parts)
        with ExitStack() as writers:
            open_writer = _CsvFile if format == "csv" else _ParquetFile
            files: dict[str, _File] = {name: open_writer(parts[name]) for name in FILES}
            for file in files.values():
                writers.callback(file.close)
            for first in range(0, customers, BLOCK):
                sheets, faults = maker.block(first, min(BLOCK, customers - first))
                counts.update(faults)
                for name, sheet in sheets.items():
                    counts[name] += len(sheet)
                    files[name].write(sheet)
                if on_progress:
                    on_progress(min(first + BLOCK, customers))
        for name, part in parts.items():
            part.replace(out / names[name])
    return dict(counts)


def _check(customers: int, seed: int, until: date, file_format: str, spoilt: float) -> None:
    if not 1 <= customers < 10_000_000:
        raise SettingError(f"demo shop: customers is {customers}; give 1 to 9,999,999")
    if seed < 0:
        raise SettingError(f"demo shop: seed is {seed}; give 0 or more")
    if until < EARLIEST:
        raise SettingError(f"demo shop: until is {until}; give {EARLIEST} or later")
    if file_format not in ("csv", "parquet"):
        raise SettingError(f"demo shop: format is {file_format!r}; give csv or parquet")
    if not 0 <= spoilt <= 0.5:
        raise SettingError(f"demo shop: spoilt is {spoilt}; give a share from 0 to 0.5")


def _remove(parts: dict[str, Path]) -> None:
    for part in parts.values():
        part.unlink(missing_ok=True)


@dataclass
class Sheet:
    """Rows of one file: Arrow arrays by column, and what the text file says instead where no type can hold it."""

    columns: dict[str, Any]
    raw: Raw = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


@dataclass
class _Maker:
    """Makes block after block; each topic of a block has a random stream of its own."""

    seed: int
    spoilt: float
    shop: Calendar
    pool: Pools
    orders_so_far: int = 0

    def block(self, first: int, count: int) -> tuple[dict[str, Sheet], Counter[str]]:
        import numpy as np

        from habitue.demo_orders import lives

        streams = np.random.SeedSequence([self.seed, first // BLOCK]).spawn(5)
        about_lives, about_people, about_orders, about_consents, about_codes = map(np.random.default_rng, streams)
        who = lives(about_lives, count, self.shop)
        clients, reach, faults = self._clients(about_people, who, first)
        ids = clients.columns["id_client"][:count]
        lines, line_faults = self._lines(about_orders, about_codes, who, ids)
        consents, consent_faults = self._consents(about_consents, who, ids, reach)
        sheets = {"clients": clients, "commandes": lines, "consentements": consents}
        return sheets, faults + line_faults + consent_faults

    def _clients(self, rng: np.random.Generator, who: Lives, first: int) -> tuple[Sheet, dict[str, Any], Counter[str]]:
        import numpy as np
        import pyarrow as pa

        from habitue.demo_faults import spoil_people
        from habitue.demo_people import KEEP, keep_odd_ones, people

        shop = people(rng, who, first + 1, self.shop.until, self.pool)
        no_one = np.empty(0, dtype=np.int64)
        odd = np.sort(rng.permutation(len(who))[: len(KEEP)]) if first == 0 and len(who) >= 5 * len(KEEP) else no_one
        keep_odd_ones(shop, odd, self.pool)
        reach = {name: np.array([value is not None for value in shop[name]]) for name in ("courriel", "telephone")}
        shop, raw, faults = spoil_people(rng, shop, odd, self.spoilt, self.shop.until)
        days = ("date_naissance", "cree_le", "decede_le")
        columns = {
            name: pa.array(values, pa.date32() if name in days else pa.string()) for name, values in shop.items()
        }
        return Sheet(columns, raw), reach, faults

    def _codes(self, rng: np.random.Generator, lines: dict[str, Any]) -> Any:
        """Of each line the place of its order's code in PUBLIC_CODES; null: none was given."""
        import numpy as np
        import pyarrow as pa

        orders = int(lines["rank"].max(initial=-1)) + 1
        given, which = rng.random(orders) < CODED, rng.integers(0, len(PUBLIC_CODES), orders)
        none = ~given[lines["rank"]] | (lines["quantity"] < 0)
        return pa.array(which[lines["rank"]].astype(np.int8), pa.int8(), mask=none)

    def _lines(
        self, rng: np.random.Generator, about_codes: np.random.Generator, who: Lives, ids: Any
    ) -> tuple[Sheet, Counter[str]]:
        import numpy as np
        import pyarrow as pa

        from habitue.demo_catalogue import PRODUCTS
        from habitue.demo_faults import UNPARSEABLE_DATES, add_strangers, faults_in_lines, spoil_lines
        from habitue.demo_orders import number, purchases

        lines = purchases(rng, who, self.shop)
        planned = faults_in_lines(len(lines["order"]), self.spoilt)
        lines = number(add_strangers(rng, lines, planned["line_without_customer"]))
        lines, undated, unpriced, faults = spoil_lines(rng, lines, planned)

        when = pa.array(self.shop.start.astype("datetime64[m]").astype("datetime64[ms]") + lines["minute"] * 60_000)
        dated, priced = np.ones(len(when), dtype=bool), np.ones(len(when), dtype=bool)
        dated[undated], priced[unpriced] = False, False
        products = pa.array(lines["product"], pa.int16())
        customer = pa.array(lines["customer"], pa.int32(), mask=lines["customer"] < 0)
        columns = {
            "no_commande": self._order_numbers(lines),
            "no_ligne": pa.array(lines["line"], pa.int32()),
            "id_client": pa.DictionaryArray.from_arrays(customer, ids),
            "date_heure": _only(when, dated),
            "reference": pa.DictionaryArray.from_arrays(products, pa.array([p.reference for p in PRODUCTS])),
            "libelle": pa.DictionaryArray.from_arrays(products, pa.array([p.label for p in PRODUCTS])),
            "quantite": pa.array(lines["quantity"], pa.int32()),
            "prix_unitaire": _euros(lines["unit"]),
            "montant": _only(_euros(lines["quantity"] * lines["unit"]), priced),
            "code_avantage": pa.DictionaryArray.from_arrays(self._codes(about_codes, lines), pa.array(PUBLIC_CODES)),
        }
        texts = {row: UNPARSEABLE_DATES[turn % len(UNPARSEABLE_DATES)] for turn, row in enumerate(undated.tolist())}
        return Sheet(columns, {"date_heure": texts}), faults

    def _order_numbers(self, lines: dict[str, Any]) -> Any:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        rank = lines["rank"]
        firsts = np.flatnonzero(np.diff(rank, prepend=-1))
        year = self.shop.year[lines["minute"][firsts] // 1440]
        begins = int(self.shop.start.astype("datetime64[Y]").astype(int)) + 1970
        prefixes = pa.array([f"{kind}{(begins + years) % 100:02d}" for years in range(5) for kind in "TA"])
        prefix = prefixes.take(pa.array(2 * year + (lines["quantity"][firsts] < 0)))
        serial = pc.utf8_lpad(pa.array(self.orders_so_far + 1 + np.arange(len(firsts))).cast(pa.string()), 7, "0")
        self.orders_so_far += len(firsts)
        numbers = pc.binary_join_element_wise(prefix, serial, "-")
        return pa.DictionaryArray.from_arrays(pa.array(rank, pa.int32()), numbers)

    def _consents(
        self, rng: np.random.Generator, who: Lives, ids: Any, reach: dict[str, Any]
    ) -> tuple[Sheet, Counter[str]]:
        import numpy as np
        import pyarrow as pa

        from habitue.demo_consents import consents
        from habitue.demo_faults import spoil_consents

        events = consents(rng, who, reach["courriel"], reach["telephone"], self.shop.until)
        events, faults = spoil_consents(rng, events, self.spoilt)
        columns = {
            "id_client": ids.take(pa.array(events["customer"])),
            "canal": pa.array(events["canal"], pa.string()),
            "objet": pa.array(np.full(len(events["canal"]), "prospection", dtype=object), pa.string()),
            "statut": pa.array(events["statut"], pa.string()),
            "base": pa.array(events["base"], pa.string()),
            "date_heure": pa.array(events["minute"].astype("datetime64[ms]")),
            "valable_jusqu_au": pa.array(events["valid_until"], pa.date32()),
            "origine": pa.array(events["origine"], pa.string()),
            "version_texte": pa.array(events["version_texte"], pa.string()),
        }
        return Sheet(columns), faults


def _euros(cents: Any) -> Any:
    """DECIMAL(9, 2) straight from the cents: Arrow keeps a decimal as a 128-bit integer, low half first."""
    import numpy as np
    import pyarrow as pa

    halves = np.empty((len(cents), 2), dtype="<i8")
    halves[:, 0], halves[:, 1] = cents, cents >> 63
    return pa.Array.from_buffers(pa.decimal128(9, 2), len(cents), [None, pa.py_buffer(halves)])


def _only(values: Any, known: Any) -> Any:
    """The values where they are known, NULL elsewhere."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return values if known.all() else pc.if_else(pa.array(known), values, pa.scalar(None, values.type))


class _File(Protocol):
    def write(self, sheet: Sheet) -> None: ...
    def close(self) -> None: ...


class _CsvFile:
    """Text as a French Windows till writes it; gzip, without name and time, where the path says so."""

    def __init__(self, path: Path) -> None:
        import csv
        import gzip
        import io

        self._raw = path.open("wb")
        packed = ".gz." in path.name
        self._packed = gzip.GzipFile("", "wb", compresslevel=5, fileobj=self._raw, mtime=0) if packed else None
        self._text: TextIO = io.TextIOWrapper(self._packed or self._raw, "utf-8", newline="")
        self._rows = csv.writer(self._text, delimiter=";", lineterminator="\r\n")
        self._begun = False

    def write(self, sheet: Sheet) -> None:
        if not self._begun:
            self._rows.writerow(sheet.columns)
            self._begun = True
        columns = []
        for name, values in sheet.columns.items():
            texts = _as_text(values).to_pylist()
            for row, text in sheet.raw.get(name, {}).items():
                texts[row] = text
            columns.append(texts)
        self._rows.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        with self._raw:  # gzip leaves the file below it open
            self._text.close()


def _as_text(values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_date(values.type):
        return pc.strftime(values, "%d/%m/%Y")
    if pa.types.is_timestamp(values.type):
        return pc.strftime(values, "%d/%m/%Y %H:%M")
    text = values.cast(pa.string())
    return pc.replace_substring(text, ".", ",") if pa.types.is_decimal(values.type) else text


class _ParquetFile:
    """A row group a sheet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def write(self, sheet: Sheet) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(sheet.columns)
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path,
                table.schema,
                compression="zstd",
                store_schema=False,  # a dictionary is our affair: readers see text
                store_decimal_as_integer=True,
                dictionary_pagesize_limit=1 << 22,
            )
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
