"""Postal addresses as the post reads them: NF Z10-011 in France and overseas France, each country's own order abroad.

| line | holds                                             |
|------|---------------------------------------------------|
| 1    | who: MADAME Zoé LELIÈVRE                          |
| 2    | inside the building: flat, floor, stairs, c/o     |
| 3    | outside it: building, residence, entrance         |
| 4    | number and street                                 |
| 5    | BP, CS, TSA, lieu-dit                             |
| 6    | postcode and town, CEDEX kept                     |

At most 6 lines of at most 38 characters; from line 2 on capitals, digits and spaces (line 1 keeps its accents). A line
that is too long is abbreviated, then moved; when neither helps the address is refused. Nothing is ever cut. Abroad the
country's name makes a seventh line (`habitue.countries` has the order of the others).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from babel import Locale

from habitue.countries import format_of, place_lines
from habitue.errors import HabitueError
from habitue.salutations import untitled

WIDTH = 38

CIVILITIES = {
    "fr": {"M": ("MONSIEUR", "M"), "MME": ("MADAME", "MME")},
    "en": {"M": ("MR", "MR"), "MME": ("MS", "MS")},
}

OVERSEAS = frozenset({"GP", "MQ", "GF", "RE", "PM", "YT", "BL", "MF", "WF", "PF", "NC", "TF"})
DOMESTIC = OVERSEAS | {"FR", "MC"}
"""Monaco and overseas France are addressed as in France, by their 97xxx and 98xxx postcodes."""

POSTCODE = re.compile(r"(?:0[1-9]|[1-8]\d|9[0-5])\d{3}|97[1-8]\d\d|98[046789]\d\d|00[1-9]\d\d")
"""Departments 01 to 95, overseas 971 to 978 and 98x, the armies' 00xxx sectors."""

# Applied one after the other, only until the line fits; the kind of way first, then who it is named after.
ABBREVIATIONS = (
    ("APPARTEMENT", "APT"),
    ("BATIMENT", "BAT"),
    ("RESIDENCE", "RES"),
    ("ESCALIER", "ESC"),
    ("IMMEUBLE", "IMM"),
    ("ETAGE", "ETG"),
    ("LOTISSEMENT", "LOT"),
    ("AVENUE", "AV"),
    ("BOULEVARD", "BD"),
    ("ALLEE", "ALL"),
    ("ALLEES", "ALL"),
    ("CHEMIN", "CHE"),
    ("COURS", "CRS"),
    ("FAUBOURG", "FG"),
    ("IMPASSE", "IMP"),
    ("PASSAGE", "PAS"),
    ("PLACE", "PL"),
    ("PROMENADE", "PROM"),
    ("QUARTIER", "QUA"),
    ("ROUTE", "RTE"),
    ("SQUARE", "SQ"),
    ("TRAVERSE", "TRA"),
    ("ZONE INDUSTRIELLE", "ZI"),
    ("ZONE ARTISANALE", "ZA"),
    ("SAINTE", "STE"),
    ("SAINT", "ST"),
    ("GENERAL", "GAL"),
    ("MARECHAL", "MAL"),
    ("PRESIDENT", "PDT"),
    ("PROFESSEUR", "PR"),
    ("DOCTEUR", "DR"),
    ("COMMANDANT", "CDT"),
    ("CAPITAINE", "CNE"),
    ("COLONEL", "CEL"),
    ("LIEUTENANT", "LT"),
    ("PREMIER", "1ER"),
    ("DEUXIEME", "2E"),
    ("TROISIEME", "3E"),
    ("QUATRIEME", "4E"),
    ("CINQUIEME", "5E"),
)

ABBREVIATIONS_ABROAD = (
    (r"\b(apartment|appartement)\b", "Apt"),
    (r"\bbuilding\b", "Bldg"),
    (r"\bboulevard\b", "Blvd"),
    (r"\bavenue\b", "Ave"),
    (r"\bstreet\b", "St"),
    (r"\broad\b", "Rd"),
    (r"\bfloor\b", "Fl"),
    (r"(?<=\w)stra(ss|ß)e\b", "str."),
)

SCRIPTS = frozenset({"LATIN", "GREEK", "CYRILLIC", "MASCULINE", "FEMININE"})
"""Of which the fonts hold every letter; the last two are the º and ª of floors."""
_GREEK = dict(zip("ΆΈΉΊΌΎΏΪΫ", "ΑΕΗΙΟΥΩΙΥ", strict=True))

SHORT_NAMES = {"HK": "Hong Kong", "MO": "Macao"}
"""Countries that nobody calls by their full name."""

SEPARATOR = re.compile(r"[,;\r\n]")
GLUED = re.compile(r"^(\d+)(BIS|TER|QUATER)\b")
NUMBER = re.compile(r"\d{1,5} ?(?:BIS|TER|QUATER|[A-Z])?(?: \d{1,5})?")
STREET = re.compile(
    r"\d|(?:RUE|AVENUE|AV|AVE|BOULEVARD|BD|BLD|BVD|CHEMIN|CHE|IMPASSE|IMP|ALLEES?|ALL|PLACE|PL|ROUTE|RTE|QUAI|COURS|"
    r"SQUARE|SQ|PASSAGE|VOIE|VENELLE|VILLA|SENTE|SENTIER|RUELLE|MONTEE|COTE|ESPLANADE|PROMENADE|FAUBOURG|FG|TRAVERSE|"
    r"ROND POINT|CITE|LOTISSEMENT|CHAUSSEE|MAIL|PARVIS|GRANDE? RUE)\b"
)
# Lengths leave room for letters that become two (œ is not among them; ß and æ are).
PLAIN_WORDS = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿ][A-Za-zÀ-ÖØ-öø-ÿ' -]{1,22}")
PLAIN_EXTRA = re.compile(r"[0-9A-Za-zÀ-ÖØ-öø-ÿ' -]{1,24}")
PLAIN_STREET = re.compile(
    r"(?:[0-9]{1,4},? )?(?:rue|avenue|boulevard|chemin|impasse|place|route|quai|cours|square)"
    r" [A-Za-zÀ-ÖØ-öø-ÿ' -]{2,18}"
)
POST_BOX = re.compile(r"(?:BP|B P|CS|TSA|POSTE RESTANTE|LIEU ?DIT|LD|HAMEAU)\b")
INSIDE = re.compile(
    r"(?:APPARTEMENT|APPT|APP|APT|ETAGE|ETG|ESCALIER|ESC|PORTE|CHEZ|C O|LOGEMENT|CHAMBRE|BOITE|\d+ ?E)\b"
)
_WAY = r"(?:RUE|GRANDE? RUE|AVENUE|BOULEVARD|CHEMIN|IMPASSE|ALLEE|PLACE|ROUTE|QUAI|COURS|SQUARE)\b"
NUMBERED = re.compile(rf"\d{{1,5}}(?: ?(?:BIS|TER|QUATER|[A-Z]))? {_WAY}")
TOGETHER = re.compile(
    r"(?<! DE)(?<! DU)(?<! LA)(?<! LE)(?<! L)(?<! D)(?<! DES)(?<! LES) (?="
    r"(?:RESIDENCE|RES|BATIMENT|BAT|IMMEUBLE|IMM|LOTISSEMENT|ENTREE|APPARTEMENT|APPT|APT|ESCALIER|ESC|PORTE|CHEZ) \w"
    r"|\d{1,2} ?(?:E|ER|EME) ETAGE\b|(?:BP|CS) \d"
    rf"|\d{{1,5}}(?: BIS| TER| QUATER)? {_WAY})"
)
"""Where what belongs on another line begins, in a line that nobody has parted by commas: not in RUE DE LA PORTE."""
NOT_A_PLACE = frozenset(
    {"", "X", "XX", "XXX", "XXXX", "TEST", "INCONNU", "INCONNUE", "NEANT", "NULL", "NC", "N C", "N A"}
)


class AddressProblem(HabitueError):
    """No letter can be addressed so. `rule` says why: `address_line_too_long`, `bad_postcode`, `no_town`,
    `no_street`, `no_name`, `unknown_country`, `address_not_latin`. The text quotes nothing of the address."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"the address can't be printed ({rule}): have the shop mend it, or leave this letter out")
        self.rule = rule


# Letters that no decomposition turns into A to Z.
_LETTERS = {"Œ": "OE", "Æ": "AE", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH", "ẞ": "SS"}


class _Capitals(dict[int, str]):
    """For str.translate: each capital without its accents, anything that is no letter or digit a space. Filled as
    letters are met, for a million addresses hold only some hundred different ones."""

    def __missing__(self, point: int) -> str:
        letter = chr(point)
        flat = (part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
        self[point] = _LETTERS.get(letter) or "".join(part if part.isalnum() else " " for part in flat).upper()
        return self[point]


_CAPITALS = _Capitals()


def plain(text: str) -> str:
    """Capitals, digits and single spaces: no accents, no punctuation (NF Z10-011, lines 4 to 6)."""
    return " ".join(text.upper().translate(_CAPITALS).split())


def address_lines(
    civility: str | None,
    first_name: str | None,
    last_name: str | None,
    address_extra: str | None,
    street: str | None,
    postcode: str | None,
    city: str | None,
    country: str | None,
    *,
    language: str,
    home: str = "FR",
) -> tuple[str, ...]:
    """The address block, 3 to 6 lines of at most 38 characters, 7 abroad, or AddressProblem with the rule broken.

    `civility` is M, MME or None; `country` an ISO code or a name in French or English, None for `home`, the sender's;
    `language` the reader's: it chooses MADAME or MS. A foreign country's name stands last, in capitals, in French in a
    letter posted in France and in English in others (UPU S42); at home there is none.
    """
    code = country_code(country or home)
    who = _who(civility, first_name, last_name, language)
    if code in DOMESTIC:
        place = _domestic(address_extra, street, postcode, city)
    else:
        place = _abroad(address_extra, street, postcode, city, code)
    abroad = code != home and not {code, home} <= DOMESTIC
    return (who, *place, _country_name(code, "fr" if home in DOMESTIC else "en")) if abroad else (who, *place)


def address_problem(
    civility: str | None,
    first_name: str | None,
    last_name: str | None,
    address_extra: str | None,
    street: str | None,
    postcode: str | None,
    city: str | None,
    country: str | None,
    *,
    language: str,
    home: str = "FR",
) -> str | None:
    """The rule that keeps a letter from being addressed, or None. Takes what `address_lines` takes."""
    if (country or home) == "FR" and _plainly_fine(first_name, last_name, address_extra, street, postcode, city):
        return None
    try:
        address_lines(
            civility,
            first_name,
            last_name,
            address_extra,
            street,
            postcode,
            city,
            country,
            language=language,
            home=home,
        )
    except AddressProblem as problem:
        return problem.rule
    return None


def _plainly_fine(
    first: str | None, last: str | None, extra: str | None, street: str | None, postcode: str | None, city: str | None
) -> bool:
    """Nine addresses of ten need no second look: short Latin words on every line. Twenty times cheaper than
    setting the block, which counts when a million customers are validated."""
    return bool(
        last
        and PLAIN_WORDS.fullmatch(last)
        and len(last) + len(first or "") <= WIDTH - len("MONSIEUR  ")
        and PLAIN_STREET.fullmatch(street or "")
        and POSTCODE.fullmatch(postcode or "")
        and PLAIN_WORDS.fullmatch(city or "")
        and (city or "").strip().upper() not in NOT_A_PLACE
        and (not extra or PLAIN_EXTRA.fullmatch(extra))
    )


@cache
def country_code(country: str | None) -> str:
    """The ISO code of a country given by code or by its French or English name; France when none is given."""
    name = plain(country or "FR")
    if name in DOMESTIC:
        return name
    if name in Locale("en").territories and len(name) == 2 and name.isalpha():
        return name
    for code, short in SHORT_NAMES.items():
        if plain(short) == name:
            return code
    for language in ("fr", "en"):
        for code, territory in Locale(language).territories.items():
            if len(code) == 2 and plain(territory) == name:
                return str(code)
    raise AddressProblem("unknown_country")


def _who(civility: str | None, first_name: str | None, last_name: str | None, language: str) -> str:
    first = " ".join((first_name or "").split())
    last = untitled(last_name).upper()
    if not last:
        raise AddressProblem("no_name")
    long, short = CIVILITIES[language].get(civility or "", ("", ""))
    line = " ".join(filter(None, (long, first, last)))
    if len(line) <= WIDTH:
        return line
    initials = [part[0].upper() for part in re.split(r"[\s-]+", first) if part]
    for given in (first, " ".join(initials), "".join(initials[:1])):
        line = " ".join(filter(None, (short, given, last)))
        if len(line) <= WIDTH:
            return line
    raise AddressProblem("address_line_too_long")


def _domestic(extra: str | None, street: str | None, postcode: str | None, city: str | None) -> tuple[str, ...]:
    place = _place(postcode, city)
    pieces = _pieces(street)
    # A shop's form with two address fields is filled in either order.
    way, around = _split_way(pieces, _pieces(extra))
    boxes = [piece for piece in around if POST_BOX.match(piece)]
    others = [piece for piece in around if piece not in boxes]
    if not way and not boxes:
        raise AddressProblem("no_street")
    lines = (*_complement(others), *(_fit(line) for line in (way, " ".join(boxes)) if line), place)
    if not all(line.isascii() for line in lines):
        raise AddressProblem("address_not_latin")
    return lines


def _place(postcode: str | None, city: str | None) -> str:
    code = "".join((postcode or "").split())
    if not (code.isascii() and POSTCODE.fullmatch(code)):
        raise AddressProblem("bad_postcode")
    town = plain(city or "").removeprefix(code).strip()
    if town in NOT_A_PLACE or town.isdigit():
        raise AddressProblem("no_town")
    return _fit(f"{code} {town}")


def _pieces(text: str | None) -> list[str]:
    """What commas and line ends part, normalised; a lone house number goes with the street beside it."""
    if not text:
        return []
    pieces = [piece for part in SEPARATOR.split(text) if (piece := plain(part)) not in NOT_A_PLACE]
    joined: list[str] = []
    for piece in pieces:
        piece = GLUED.sub(r"\1 \2", piece)
        if joined and NUMBER.fullmatch(joined[-1]):
            joined[-1] += f" {piece}"
        elif joined and NUMBER.fullmatch(piece) and STREET.match(joined[-1]) and not joined[-1][0].isdigit():
            joined[-1] = f"{piece} {joined[-1]}"
        else:
            joined.append(piece)
    # Only what would not fit is parted by its words: commas say more than they do.
    return [part for piece in joined for part in ([piece] if len(_short(piece)) <= WIDTH else TOGETHER.split(piece))]


def _split_way(street: list[str], extra: list[str]) -> tuple[str, list[str]]:
    """Line 4, and all that belongs on other lines."""
    # A number and a kind of way say more than a kind alone: LOTISSEMENT LES LILAS stands beside 12 RUE HAUTE.
    for sign in (NUMBERED, STREET):
        for pieces, rest in ((street, extra), (extra, street)):
            for position, piece in enumerate(pieces):
                if sign.match(piece) and not INSIDE.match(piece):
                    return piece, rest + pieces[:position] + pieces[position + 1 :]
    # No kind of way is named: a village street is often just LE BOURG.
    for position, piece in enumerate(street):
        if not POST_BOX.match(piece) and not INSIDE.match(piece):
            return piece, extra + street[:position] + street[position + 1 :]
    return "", extra + street


def _complement(pieces: list[str]) -> tuple[str, ...]:
    """Lines 2 and 3: within the building, then outside; where one overflows, both are set as running text."""
    if not pieces:
        return ()
    inside = [piece for piece in pieces if INSIDE.match(piece)]
    outside = [piece for piece in pieces if piece not in inside]
    lines = [_short(" ".join(part)) for part in (inside, outside) if part]
    if all(len(line) <= WIDTH for line in lines):
        return tuple(lines)
    wrapped = _wrap(" ".join(_short(piece) for piece in inside + outside))
    if len(wrapped) > 2 or any(len(line) > WIDTH for line in wrapped):
        raise AddressProblem("address_line_too_long")
    return tuple(wrapped)


def _wrap(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) <= WIDTH:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _short(line: str) -> str:
    """The line with as many abbreviations as it needs to fit, all of them if that is not enough."""
    for word, abbreviation in ABBREVIATIONS:
        if len(line) <= WIDTH:
            break
        line = re.sub(rf"\b{word}\b", abbreviation, line)
    return line


def _fit(line: str) -> str:
    line = _short(line)
    if len(line) > WIDTH:
        raise AddressProblem("address_line_too_long")
    return line


def _abroad(
    extra: str | None, street: str | None, postcode: str | None, city: str | None, code: str
) -> tuple[str, ...]:
    """Complement, street, postcode and town as the country orders them; accents stay."""
    known = format_of(code)
    town = _tidy(city).upper()
    if known.names_town and (plain(town) in NOT_A_PLACE or not any(letter.isalpha() for letter in town)):
        raise AddressProblem("no_town")
    zip_code = known.tidy_postcode(_tidy(postcode))
    if zip_code is None:
        raise AddressProblem("bad_postcode")
    # NA with a postcode of Naples names a province and no town; Re with one of Verbania is a town.
    if known.area(zip_code) == plain(town) != "":
        raise AddressProblem("no_town")
    way = _tidy(street)
    if plain(way) in NOT_A_PLACE:
        raise AddressProblem("no_street")
    whole = place_lines(known, tuple(filter(None, (_tidy(extra), way))), zip_code, _without_tonos(town))
    lines = tuple(part for line in whole for part in _parted(line))
    if not all(_printable(line) for line in lines):
        raise AddressProblem("address_not_latin")
    if len(lines) > 5 or any(len(line) > WIDTH for line in lines):
        raise AddressProblem("address_line_too_long")
    return lines


def _without_tonos(town: str) -> str:
    """Greek capitals bear no accent."""
    return "".join(_GREEK.get(letter, letter) for letter in town)


def _printable(line: str) -> bool:
    """Whether its letters are Latin, Greek or Cyrillic: what the fonts hold."""
    return all(
        not letter.isalpha() or unicodedata.name(letter, "").split(" ")[0] in SCRIPTS
        for letter in line
        if not letter.isascii()
    )


def _parted(way: str) -> tuple[str, ...]:
    """A line that is too long is abbreviated, then goes onto two, at a comma or else between words."""
    for word, abbreviation in ABBREVIATIONS_ABROAD:
        if len(way) <= WIDTH:
            return (way,)
        way = re.sub(rf"(?i){word}", abbreviation, way)
    for commas in (",", " "):
        places = [found.start() for found in re.finditer(commas, way) if found.start() <= WIDTH]
        if places and len(rest := way[places[-1] + 1 :].strip()) <= WIDTH:
            return way[: places[-1]].strip(), rest
    return (way,)


def _tidy(text: str | None) -> str:
    """One line of text: control characters and line ends are spaces."""
    visible = ("," if letter in "\r\n" else letter if letter.isprintable() else " " for letter in text or "")
    return " ".join("".join(visible).split())


@cache
def _country_name(code: str, language: str) -> str:
    return str(SHORT_NAMES.get(code) or Locale(language).territories[code]).upper()
