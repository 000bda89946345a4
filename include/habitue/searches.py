"""Finding a customer by what is known: a name, an e-mail address, a number, an id, or a part of one.

    "marie martin"  "martin lyon"   words of names, in any order; a town narrows
    "lefeb"                         how a last name begins
    "06 12 34"  "+33 6…"  "56 78"   a number in any writing, its beginning or four digits on end of it
    "marie.m"  "marie@…"  "C0012"   how an address or an id begins

Indexes over the customers' rows answer (migration 0010). A slip of the finger is looked for on this side: every text
that is one letter away from what was typed is asked for, some hundreds at once, which costs a few milliseconds and
nothing when customers are loaded. Where nothing else is found words may also be run together or broken in two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase, digits

from sqlalchemy import ColumnElement, Connection, Text, and_, any_, collate, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from habitue.shop import Shop
from habitue.tables import customer

MOST = 1_000
"""Customers that one search tells of: whoever finds more must say more."""
FEW = 50
"""Where at least so many are found as typed, slips are not looked for."""
LONGEST = 100
"""Characters of what is typed; the rest is left out."""
MOST_WORDS = 5
LEAST_BEGINNING = 3
LEAST_DIGITS = 4
LEAST_NUMBER = 7
"""Digits of a number from which on one may be wrong."""
LAST = "\U0010ffff"

WORDS = func.search_words(customer.c.first_name, customer.c.last_name, customer.c.city, type_=ARRAY(Text))
PARTS = func.number_parts(customer.c.phone, type_=ARRAY(Text))
by_last_name = collate(func.left(func.folded(func.left(customer.c.last_name, 80)), 80), "C")
by_email = collate(func.left(func.address_value(customer.c.email), 254), "C")
by_phone = collate(func.left(customer.c.phone, 20), "C")
by_id = collate(func.left(func.lower(collate(customer.c.customer_id, "pg_c_utf8")), 80), "C")

_NUMBER = re.compile(r"[\d\s+().\-/\u2010-\u2015]+")


@dataclass
class Found:
    """The customers, the best first."""

    ids: list[str] = field(default_factory=list)
    more: bool = False
    """there are more than MOST"""

    def take(self, ids: Iterable[str]) -> None:
        self.ids = list(dict.fromkeys([*self.ids, *ids]))
        self.more = self.more or len(self.ids) > MOST
        self.ids = self.ids[:MOST]


@dataclass(frozen=True)
class Typed:
    """What was typed, in the ways in which it can be meant."""

    plain: str
    address: str
    words: tuple[str, ...]
    number: str
    """its digits, with + where the country is said; empty where it is no number"""

    @property
    def is_address(self) -> bool:
        return " " not in self.plain and bool(re.search(r"[@._\d]", self.plain))


def find(connection: Connection, text: str, shop: Shop) -> Found:
    """Who may be meant by the text; nobody where it says nothing."""
    found = Found()
    typed = _read(connection, text)
    if not typed.plain:
        return found
    # Each key has its index. The planner would read a million rows where it takes the hundreds of texts that a slip may
    # have been for frequent ones.
    connection.execute(select(func.set_config("enable_seqscan", "off", true())))
    for step in (_as_typed, _beginnings, _slips, _run_together):
        if len(found.ids) < (FEW if step is _slips else MOST if step is _beginnings else 1):
            for ids in step(connection, typed, shop):
                found.take(ids)
    return found


def _read(connection: Connection, text: str) -> Typed:
    plain = " ".join(unicodedata.normalize("NFC", text.replace("\0", " ")).split())[:LONGEST].strip().lower()
    asked = select(func.search_words(plain, None, None, type_=ARRAY(Text)), func.address_value(plain))
    words, address = connection.execute(asked).one()
    return Typed(plain, address, tuple(words[:-1][:MOST_WORDS]), _number(plain))


def _number(plain: str) -> str:
    if not _NUMBER.fullmatch(plain):
        return ""
    written = plain.replace("(0)", "")
    values = (unicodedata.digit(one, None) for one in written)
    kept = "".join(str(value) for value in values if value is not None)
    if len(kept) < LEAST_DIGITS:
        return ""
    if written.lstrip("( ").startswith("+"):
        return f"+{kept}"
    return f"+{kept[2:]}" if kept.startswith("00") else kept


def _home(number: str, shop: Shop) -> str:
    """A number as it is dialled in the shop's country, in E.164."""
    import phonenumbers

    code = phonenumbers.country_code_for_region(shop.country)
    return f"+{code}{number[1:] if number.startswith('0') else number}"


def _numbers(typed: Typed, shop: Shop) -> list[str]:
    return [] if not typed.number else [typed.number if typed.number[0] == "+" else _home(typed.number, shop)]


# As typed ----------------------------------------------------------------------------------------------------------


def _as_typed(connection: Connection, typed: Typed, shop: Shop) -> Iterator[list[str]]:
    yield _those(connection, by_id == typed.plain[:80])
    yield _those(connection, by_email == typed.address)
    if numbers := _numbers(typed, shop):
        yield _those(connection, by_phone.in_(numbers))
    if typed.words:
        yield _those(connection, _words([(word,) for word in typed.words]))


def _beginnings(connection: Connection, typed: Typed, shop: Shop) -> Iterator[list[str]]:
    if len(typed.plain) >= LEAST_BEGINNING:
        yield _beginning(connection, by_id, [typed.plain])
        if len(typed.words) == 1:
            yield _beginning(connection, by_last_name, typed.words)
        if " " not in typed.plain:
            yield _beginning(connection, by_email, [typed.address])
    if typed.number:
        yield _beginning(connection, by_phone, _numbers(typed, shop))
        yield _those(connection, _part(typed.number))


def _those(connection: Connection, condition: ColumnElement[bool]) -> list[str]:
    order = (customer.c.last_name, customer.c.first_name, customer.c.customer_id)
    return list(connection.scalars(select(customer.c.customer_id).where(condition).order_by(*order).limit(MOST + 1)))


def _beginning(
    connection: Connection, key: ColumnElement[str], beginnings: Sequence[str], most: int = MOST + 1
) -> list[str]:
    """Those whose key begins with one of these, at most so many of each."""
    begins = func.unnest(literal(list(beginnings), ARRAY(Text))).table_valued("text").render_derived()
    lower = collate(begins.c.text, "C")
    each = (
        select(customer.c.customer_id)
        .where(key >= lower, key < lower + LAST)
        .order_by(key)
        .limit(most)
        .lateral("each_one")
    )
    asked = select(each.c.customer_id).select_from(begins.join(each, true())).limit(MOST + 1)
    return list(connection.scalars(asked))


def _words(ways: Sequence[Iterable[str]]) -> ColumnElement[bool]:
    """Who has a word of each of these; a town may stand for any but one of them."""
    named = [list(way) for way in ways]
    if len(named) == 1:
        return and_(WORDS.overlap(_texts(named[0])))
    each = [WORDS.overlap(_texts([*way, *(f"@{word}" for word in way[:1])])) for way in named]
    return and_(*each, WORDS.overlap(_texts(sorted({word for way in named for word in way}))))


def _part(number: str) -> ColumnElement[bool]:
    """Who has these digits on end; the nought that is dialled at home is no part of a number."""
    ways = {number.lstrip("+"), number.lstrip("+0")}
    return or_(
        *(
            and_(
                PARTS.contains(_texts([way[at : at + 4] for at in range(len(way) - 3)])),
                func.strpos(customer.c.phone, way) > 0,
            )
            for way in sorted(ways)
            if len(way) >= LEAST_DIGITS
        ),
    )


def _texts(words: Iterable[str]) -> ColumnElement[Sequence[str]]:
    return literal(list(words), ARRAY(Text))


# With a slip -------------------------------------------------------------------------------------------------------


def one_away(word: str, letters: str) -> list[str]:
    """The word itself first, then every other that comes of it by leaving out, doubling up, exchanging or swapping one
    letter (Damerau 1964)."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    others = {
        *(head + tail[1:] for head, tail in cuts if tail),
        *(head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1),
        *(head + letter + tail[1:] for head, tail in cuts if tail for letter in letters),
        *(head + letter + tail for head, tail in cuts for letter in letters),
    }
    return [word, *sorted(others - {word, ""})]


def _letters(word: str) -> str:
    """Latin letters and digits, and those of the word's own script: its neighbours in Unicode."""
    known = set(ascii_lowercase + digits)
    for start in {ord(one) & ~0x7F for one in word if not one.isascii()}:
        known |= {chr(one) for one in range(start, start + 0x80) if chr(one).isalpha() and chr(one).lower() == chr(one)}
    return "".join(sorted(known))


def _slips(connection: Connection, typed: Typed, shop: Shop) -> Iterator[list[str]]:
    if numbers := [one for one in _numbers(typed, shop) if len(one) > LEAST_NUMBER]:
        yield _beginning(connection, by_phone, [f"+{one}" for one in one_away(numbers[0][1:], digits)], 20)
    elif typed.words and "@" not in typed.plain:
        yield _nearest(connection, _words([one_away(word, _letters(word)) for word in typed.words]), typed)
    if " " not in typed.plain:
        near = one_away(typed.plain, _letters(typed.plain) + "-._/")
        yield _those(connection, by_id == any_(_texts(near)))
        if typed.is_address:
            near = one_away(typed.address, _letters(typed.address) + "-._@+")
            if "@" in typed.address:
                yield _those(connection, by_email == any_(_texts(near)))
            else:
                yield _beginning(connection, by_email, near, 20)


def _run_together(connection: Connection, typed: Typed, shop: Shop) -> Iterator[list[str]]:
    """Where nothing was found: two words for one, one for two."""
    words = typed.words if "@" not in typed.plain else ()
    joined = [[*words[:at], words[at] + words[at + 1], *words[at + 2 :]] for at in range(len(words) - 1)]
    for way in joined:
        yield _nearest(connection, _words([one_away(word, _letters(word)) for word in way]), typed)
    broken = [
        [*words[:at], word[:cut], word[cut + drop :], *words[at + 1 :]]
        for at, word in enumerate(words)
        for cut in range(1, len(word))
        for drop in (0, 1)
        if word[cut + drop :]
    ]
    if broken:
        yield _nearest(connection, or_(*(WORDS.contains(_texts(way)) for way in broken)), typed)


def _nearest(connection: Connection, condition: ColumnElement[bool], typed: Typed) -> list[str]:
    """The customers whose words are most of them as typed, then by name."""
    asked = select(customer.c.customer_id, customer.c.first_name, customer.c.last_name).where(condition).limit(MOST + 1)
    rows = connection.execute(asked).all()
    wanted = set(typed.words)

    def rank(row: tuple[str, str | None, str | None]) -> tuple[int, str, str, str]:
        has = set(re.findall(r"\w+", f"{row[1] or ''} {row[2] or ''}".lower()))
        return (-len(wanted & has), row[2] or "", row[1] or "", row[0])

    return [row[0] for row in sorted((tuple(row) for row in rows), key=rank)]
