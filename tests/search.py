"""A search of everything that a house holds, as somebody with the disk in hand would do it."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pypdfium2
from sqlalchemy import text

from habitue.house import House
from habitue.mime import read


def plain(value: str) -> str:
    """Letters and digits alone, without accents: however it was cut, spaced or capitalised."""
    return re.sub("[^a-z0-9]", "", unicodedata.normalize("NFKD", value).lower())


def needles(row: Mapping[str, str]) -> dict[str, str]:
    """What would give them away, from a customer's row of the base: the whole name, the street, e-mail and number."""
    found = {
        "name": plain(f"{row['first_name']}{row['last_name']}"),
        "street": plain(row["street"] or ""),
        "email": plain(row["email"] or ""),
        "phone": (row["phone"] or "").removeprefix("+33"),
    }
    return {name: value for name, value in found.items() if value}


def search(house: House, wanted: Mapping[str, str]) -> set[tuple[str, str]]:
    """Where (a table, or a file) which needle is found."""
    found = set()
    for place, content in [*_base(house), *_files(house.out)]:
        bare = plain(content)
        found |= {(place, name) for name, needle in wanted.items() if needle in bare}
    return found


def _base(house: House) -> Iterator[tuple[str, str]]:
    with house.engine.connect() as connection:
        names = connection.scalars(text("select table_name from information_schema.tables where table_schema='public'"))
        for name in names.all():
            rows = connection.scalars(text(f"select t::text from {name} t"))  # noqa: S608
            yield name, "\n".join(rows)
        bodies = connection.scalars(text("select encode(body, 'escape') from webhook_post"))
        yield "posts", "\n".join(bodies)


def _files(out: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(out.rglob("*")):
        if path.is_file():
            name = str(path.relative_to(out))
            yield name, f"{name}\n{_content(path)}"


def _content(path: Path) -> str:
    raw = path.read_bytes()
    match path.suffix:
        case ".parquet":
            return "\n".join(map(str, pq.read_table(BytesIO(raw)).to_pylist()))
        case ".pdf":
            lot = pypdfium2.PdfDocument(raw)
            return "\n".join(page.get_textpage().get_text_bounded() for page in lot)
        case ".xlsx":
            with zipfile.ZipFile(BytesIO(raw)) as book:
                return "\n".join(book.read(name).decode() for name in book.namelist())
        case ".eml":
            mail = read(raw)
            return "\n".join([mail.to_name, mail.to_address, mail.subject, mail.text, mail.html, raw.decode()])
        case _:
            return raw.decode("utf-8", "replace")
