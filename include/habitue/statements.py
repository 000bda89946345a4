"""SQL in files: `include/sql/<topic>/<question>.sql`, one question each."""

from __future__ import annotations

from functools import cache

from sqlalchemy import TextClause, text

from habitue.shop import INCLUDE


@cache
def source(name: str) -> str:
    """The text of `include/sql/<name>.sql`."""
    return (INCLUDE / "sql" / f"{name}.sql").read_text("utf-8")


@cache
def statement(name: str) -> TextClause:
    """The file as a SQLAlchemy statement; its `:names` are the parameters."""
    return text(source(name))
