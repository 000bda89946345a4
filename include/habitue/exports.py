"""A shop's exported CSV files: what one looks like, and its rows as Arrow batches, every column as text.

Nothing is lost on the way: NUL bytes, line breaks inside quotes and mixed line ends come through as they are
(DuckDB's own reader either refuses such files or drops what follows a closing quote). A file that stops in the
middle, a line of another width or a lost column is a SourceError that names the file, and never shows a value.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from habitue.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = 1 << 20
"""So many bytes from the beginning are looked at to find the delimiter and how numbers and dates are written."""

DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d{1,4}")
DECIMAL_POINT = re.compile(r"[-+]?\d+\.\d{1,4}")
SLASHED_DATE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-]\d{4}(?: .*)?")


@dataclass(frozen=True)
class Export:
    """One CSV file as it was found: encoding, delimiter, header, and what its cells look like."""

    path: Path
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    decimal_commas: int
    decimal_points: int
    day_first: int  # dates that can only be day/month/year
    month_first: int  # dates that can only be month/day/year
    open_quote: bool  # an odd number of quote characters: perhaps one that is never closed
    ends_with_line_break: bool


def look(path: Path, *, delimiter: str | None = None, encoding: str | None = None) -> Export:
    """Reads the whole file once: declared or found encoding and delimiter, the header, and whether it is whole.

    Without a declared encoding: a byte order mark decides, else UTF-8 if every byte fits it, else Windows-1252.
    SourceError: the file is empty, a gzip that ends in the middle, not in the encoding declared, no clear header.
    """
    beginning, found, quotes, last = _scan(path)
    encoding = encoding or found
    try:
        # The sample may end inside a character: `final=False` leaves that one out.
        text = codecs.getincrementaldecoder(encoding)().decode(beginning, final=False)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path.name}: not written in {encoding} (byte {error.start}); declare its encoding"
        ) from None
    except LookupError:
        raise SourceError(f"{path.name}: encoding {encoding} is not known") from None
    text = text.removeprefix("\ufeff")
    delimiter = delimiter or _delimiter(text)
    whole = len(beginning) < SAMPLE
    rows = _rows(text if whole else text[: text.rfind("\n") + 1], delimiter)
    header = tuple(next(rows, ()))
    if not any(name.strip() for name in header):
        raise SourceError(f"{path.name}: empty, there is not even a header line; ask for the export again")
    if len(set(header)) != len(header):
        twice = sorted({name for name in header if header.count(name) > 1})
        raise SourceError(f"{path.name}: column {', '.join(twice)} stands in the header more than once")
    counts = _count_ways_of_writing(rows)
    return Export(path, encoding, delimiter, header, *counts, bool(quotes % 2), last in b"\r\n")


def _scan(path: Path) -> tuple[bytes, str, int, bytes]:
    """(first bytes, encoding, number of quote characters, last byte) of a file, unpacked if it is gzip."""
    beginning, quotes, last, utf8 = b"", 0, b"", True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with _opened(path) as file:
            while block := file.read(1 << 20):
                if len(beginning) < SAMPLE:
                    beginning += block[: SAMPLE - len(beginning)]
                quotes += block.count(b'"')
                last = block[-1:]
                utf8 = utf8 and _decodes(decoder, block)
    except EOFError:
        raise SourceError(f"{path.name}: truncated, the gzip stream ends in the middle; ask for it again") from None
    except (gzip.BadGzipFile, zlib.error):
        raise SourceError(f"{path.name}: damaged, not a readable gzip file; ask for it again") from None
    except OSError as error:
        raise SourceError(f"{path.name}: can't be read ({error.strerror})") from None
    return beginning, _encoding(beginning, utf8 and _decodes(decoder, b"", final=True)), quotes, last


def _packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b" or path.suffix == ".gz"


def _opened(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path, "rb") if _packed(path) else path.open("rb")


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _encoding(beginning: bytes, utf8: bool) -> str:
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if utf8:
        return "utf-8"
    try:
        beginning.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _delimiter(text: str) -> str:
    header = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    return max(";,\t|", key=header.count) if any(mark in header for mark in ";,\t|") else ","


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(1 << 27)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _count_ways_of_writing(rows: Iterator[list[str]]) -> tuple[int, int, int, int]:
    """(decimal commas, decimal points, dates that must be day first, dates that must be month first)."""
    commas = points = day_first = month_first = 0
    for row in rows:
        for cell in row:
            if DECIMAL_COMMA.fullmatch(cell):
                commas += 1
            elif DECIMAL_POINT.fullmatch(cell):
                points += 1
            elif date := SLASHED_DATE.fullmatch(cell):
                first, second = int(date[1]), int(date[2])
                day_first += first > 12 >= second
                month_first += second > 12 >= first
    return commas, points, day_first, month_first


def batches(export: Export) -> Iterator[pa.RecordBatch]:
    """The rows as Arrow batches of some 10,000s, every column text, an empty cell NULL. Memory stays flat.

    SourceError: a line with more or fewer columns than the header (with its number), a quote that is never closed.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    wrong: list[Any] = []

    def stop(row: Any) -> str:
        wrong.append((row.expected_columns, row.actual_columns, row.number))
        return "error"

    last: pa.RecordBatch | None = None
    try:
        reader = arrow_csv.open_csv(
            pa.input_stream(str(export.path), compression="gzip" if _packed(export.path) else None),
            # One thread: with more, a wrong line has no number. The parser is fast enough (200,000 lines a second).
            read_options=arrow_csv.ReadOptions(encoding=export.encoding, use_threads=False, block_size=8 << 20),
            parse_options=arrow_csv.ParseOptions(
                delimiter=export.delimiter, newlines_in_values=True, invalid_row_handler=stop
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in export.columns}, null_values=[""], strings_can_be_null=True
            ),
        )
        for batch in reader:
            last = batch if batch.num_rows else last
            yield batch
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _explained(export, wrong, error) from None
    if export.open_quote and (not export.ends_with_line_break or _last_row_has_a_line_break(last)):
        raise SourceError(f"{export.path.name}: truncated or spoilt, a quote is opened and never closed")


def _explained(export: Export, wrong: list[Any], error: BaseException) -> SourceError:
    name = export.path.name
    if wrong:
        expected, actual, number = wrong[0]
        line = f", line {number}" if number else ""
        return SourceError(
            f"{name}{line}: {actual} columns where the header has {expected}; if it is the last line the file is "
            "truncated, else a value with the delimiter in it wants quotes"
        )
    if "Empty CSV file" in str(error):  # the header has no line break after it
        return SourceError(f"{name}: truncated, it ends within the header")
    if isinstance(error, UnicodeDecodeError) or "UTF8" in str(error):
        return SourceError(f"{name}: not written in {export.encoding}; declare its encoding")
    return SourceError(f"{name}: can't be read as CSV ({type(error).__name__})")


def _last_row_has_a_line_break(batch: pa.RecordBatch | None) -> bool:
    if batch is None:
        return False
    cells = batch.slice(batch.num_rows - 1).to_pylist()[0].values()
    return any(cell and "\n" in cell for cell in cells)
