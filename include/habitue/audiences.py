"""To whom a campaign speaks: groups, a question of its own in SQL, filters; and whether that question can be asked.

The question, `include/sql/audience/<name>.sql`, is one SELECT of `customer_id`. It may read `standing` (where each
customer stood at the run's snapshot, with the columns of `segment`) and the tables of the base. Its parameters are
`:on`, the run's day, and those that the campaign gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from habitue.settings import INCLUDE, Cents, Finding, Language, Strict, Whole, shown
from habitue.tables import Segment, metadata

if TYPE_CHECKING:
    from sqlglot import exp

FOLDER = INCLUDE / "sql" / "audience"

STANDING = "standing"
PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?![:\w])")
"""A parameter as SQLAlchemy's `text()` finds it, also in strings and comments."""
CAST_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)::")
"""What looks like one and is none."""

NO_PROSPECTS = "a prospect never bought and belongs to no group; leave it out"


class Range(Strict):
    """From `least` to `most`, both included; either may be left out."""

    least: Whole | None = Field(None, description="so much or more")
    most: Whole | None = Field(None, description="so much or less")

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        _not_empty(self.least, self.most)
        return self


class MoneyRange(Strict):
    """From `least` to `most`, both included, in the shop's currency; either may be left out."""

    least: Cents | None = Field(None, description="so much or more")
    most: Cents | None = Field(None, description="so much or less")

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        _not_empty(self.least, self.most)
        return self


def _not_empty(least: int | None, most: int | None) -> None:
    if least is None and most is None:
        raise ValueError("say least, most or both")
    if least is not None and most is not None and least > most:
        raise ValueError("least is above most: nobody is left")


Region = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[0-9A-Za-z][0-9A-Za-z ]*)?$")]


class Filters(Strict):
    """Who of the groups is meant: those for whom all of these hold."""

    score: Range | None = Field(None, description="points of the shop's scoring grid")
    tier: list[Literal["top_20", "next_40", "other"]] | None = Field(
        None, min_length=1, description="where the customer ranks by what was spent in the window"
    )
    spend: MoneyRange | None = Field(None, description="net amount spent in the window")
    days_since: Range | None = Field(None, description="days since the last purchase")
    language: list[Language] | None = Field(None, min_length=1, description="languages of the customers")
    region: list[Region] | None = Field(
        None, min_length=1, description="countries (FR), or country and beginning of the postcode (FR-69)"
    )


def _parameter(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str | int | float):
        raise ValueError("a text, a number, a day, true or false")
    return value


Parameter = Annotated[
    Any, BeforeValidator(_parameter), WithJsonSchema({"type": ["string", "number", "boolean"], "title": "a value"})
]


class Audience(Strict):
    """To whom the campaign speaks; without it, to the groups that have a treatment."""

    segments: list[Segment] | None = Field(
        None, min_length=1, description="the groups; default: those that have a treatment, with `otherwise` all five"
    )
    sql: str | None = Field(
        None, pattern=r"^[a-z][a-z0-9_]*$", description="a question in include/sql/audience/, without `.sql`"
    )
    parameters: dict[str, Parameter] = Field(
        default_factory=dict, description="values of the question's :parameters, besides :on"
    )
    filters: Filters = Field(Filters(), description="who of these is meant")

    @field_validator("segments")
    @classmethod
    def _groups_only(cls, segments: list[Segment] | None) -> list[Segment] | None:
        if segments and Segment.PROSPECT in segments:
            raise ValueError(NO_PROSPECTS)
        return segments

    @model_validator(mode="after")
    def _parameters_of_a_question(self) -> Self:
        if self.parameters and self.sql is None:
            raise ValueError("parameters are values for a question: say which by sql")
        return self

    @property
    def file(self) -> Path | None:
        return FOLDER / f"{self.sql}.sql" if self.sql else None


def question_findings(audience: Audience) -> list[Finding]:
    """What is wrong with the audience's question, with the line of its file; nothing where it has none."""
    if audience.file is None:
        return []
    if not audience.file.is_file():
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.sql"))) or "none yet"
        return [Finding(("sql",), f"there is no {shown(audience.file)}; there are: {known}")]
    return [*_check_file(audience.file, audience.parameters)]


def _check_file(path: Path, parameters: Mapping[str, Any]) -> Iterator[Finding]:
    text = path.read_text("utf-8")

    def at(line: int | None, message: str) -> Finding:
        return Finding(("sql",), message, f"{shown(path)}, line {line}" if line else shown(path))

    if not re.match(r"-- .*\w", text):
        yield at(1, "the first line says the question: `-- Who …?`")
    used = {found[1]: _line_of(text, found) for found in reversed(list(PARAMETER.finditer(text)))}
    given = {"on", *parameters}
    for name in sorted(used.keys() - given, key=used.__getitem__):
        yield at(used[name], f"nobody gives :{name}; say it under audience.parameters")
    for name in sorted(given - used.keys() - {"on"}):
        yield Finding(("parameters", name), f"{shown(path)} has no :{name}; take it out")
    if casts := list(CAST_PARAMETER.finditer(text)):
        for found in casts:
            yield at(_line_of(text, found), f"write cast(:{found[1]} as …): `:{found[1]}::` is not read")
        return
    for line, message in _check_query(_without_parameters(text)):
        yield at(line, message)


def _line_of(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start()) + 1


def _without_parameters(text: str) -> str:
    """The question with a text of the same length where a parameter stands: a value that fits wherever one may."""
    return PARAMETER.sub(lambda found: "''".ljust(len(found[0])), text)


def _check_query(text: str) -> Iterator[tuple[int | None, str]]:
    """(line, what is wrong) of a question without parameters."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import OptimizeError, ParseError, TokenError

    try:
        ends = [token.line for token in sqlglot.tokenize(text, dialect="postgres") if token.text == ";"]
        parsed = sqlglot.parse(text, dialect="postgres")
    except ParseError as error:
        found = error.errors[0]
        yield found["line"], f"not SQL that PostgreSQL reads, near `{found['highlight']}`"
        return
    except TokenError:
        yield None, "not SQL that PostgreSQL reads: a quote or a comment is not closed"
        return
    if ends:
        yield ends[0], "one SELECT without a semicolon: it becomes a part of a larger one"
        return
    query = parsed[0] if parsed else None
    if not isinstance(query, exp.Query):
        yield 1, "must be one SELECT"
        return
    wrong = [*_changes(query)] or [*_unknown_relations(query)]
    yield from wrong
    if not wrong:
        try:
            yield from _columns(query)
        except OptimizeError as error:
            yield _unknown_column(query, str(error))


def _changes(query: exp.Query) -> Iterator[tuple[int | None, str]]:
    from sqlglot import exp

    for node in query.find_all(exp.DML, exp.DDL, exp.Into, exp.Lock, exp.Command):
        if not isinstance(node, exp.Query):
            line = _first_line(node) or _first_line(query)
            yield line, "a question only reads: no insert, update, delete, into, for update"


def _unknown_relations(query: exp.Query) -> Iterator[tuple[int | None, str]]:
    from sqlglot import exp

    known = {STANDING, *metadata.tables}
    named = {cte.alias for cte in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue  # a function that returns rows
        if table.db or table.name not in known | named:
            name = f"{table.db}.{table.name}" if table.db else table.name
            yield table.this.meta.get("line"), f"no relation {name}; there are {', '.join(sorted(known))}"


def _columns(query: exp.Query) -> Iterator[tuple[int | None, str]]:
    from sqlglot.optimizer.qualify import qualify

    relations = {name: table.columns for name, table in metadata.tables.items()}
    relations[STANDING] = relations["segment"]
    schema: dict[str, object] = {
        name: {column.name: str(column.type) for column in columns} for name, columns in relations.items()
    }
    whole = qualify(query.copy(), schema=schema, dialect="postgres", quote_identifiers=False, identify=False)
    if whole.named_selects != ["customer_id"]:
        yield _first_line(query), f"must return customer_id alone, and returns {', '.join(whole.named_selects)}"


def _unknown_column(query: exp.Query, said: str) -> tuple[int | None, str]:
    from sqlglot import exp

    named = re.search(r"[Cc]olumn:? '?(\w+)'?", said)
    if named is None:
        return None, said.splitlines()[0]
    name = named[1]
    line = re.search(r"Line: (\d+)", said)
    places: Iterable[exp.Column] = query.find_all(exp.Column)
    first = next((place.this.meta.get("line") for place in places if place.name == name), None)
    found = int(line[1]) if line else first
    return found, f"no relation of this SELECT has a column {name}, or more than one has: write relation.column"


def _first_line(node: exp.Expr) -> int | None:
    """The line of the first name below a node."""
    from sqlglot import exp

    lines = [found.meta["line"] for found in node.find_all(exp.Identifier) if "line" in found.meta]
    return min(lines, default=None)
