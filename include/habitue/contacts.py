"""Can this person be named, written to, rung? One field at a time; every rule has a name.

Each check takes a value as the shop wrote it (trimmed, NFC, without NUL bytes; None when absent) and returns the
value as we use it and the rule that it broke: `(value, None)`, `(None, rule)`, and `(None, None)` for what is absent.
Nothing is guessed and nothing mended beyond its spelling: a typing error goes back to the shop.

The plain cases, nearly all of a million, are told by one regular expression; only the rest pays for email-validator
and phonenumbers, which take 50 to 100 times longer.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

import phonenumbers
from babel.core import get_global
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, PhoneNumberType
from phonenumbers import timezone as phone_timezone

from habitue import addresses

CIVILITIES = {
    **dict.fromkeys(("M", "MR", "MONSIEUR", "MISTER"), "M"),
    **dict.fromkeys(("MME", "MLLE", "MADAME", "MADEMOISELLE", "MRS", "MS", "MISS"), "MME"),
}
"""Mademoiselle is no civility of the French administration any more (circular 5575/SG, 2012): Madame."""

LANGUAGES = {
    **dict.fromkeys(("FR", "FRA", "FRE", "FRENCH", "FRANCAIS"), "fr"),
    **dict.fromkeys(("EN", "ENG", "ENGLISH", "ANGLAIS"), "en"),
}

# Names -----------------------------------------------------------------------------------------------------------

LONGEST_NAME = 80

PLACEHOLDERS = frozenset(
    {
        "test",
        "tests",
        "essai",
        "client test",
        "test test",
        "x",
        "xx",
        "n/a",
        "#n/a",
        "n.a",
        "n.a.",
        "n.c.",
        "n/c",
        "inconnu",
        "inconnue",
        "unknown",
        "undefined",
        "anonyme",
        "anonymous",
        "azerty",
        "qwerty",
        "asdf",
        "asdfgh",
        "sans nom",
        "no name",
        "noname",
        "prénom",
        "prenom",
        "nom",
        "first name",
        "last name",
        "firstname",
        "lastname",
        "client",
        "aucun",
        "néant",
        "mme",
        "mlle",
        "mrs",
    }
)
NULLISH = frozenset({"null", "none", "nan", "na", "nil"})
"""Real as a first or a last name (Mme Null, M. Na); when both are such words nobody is called so."""

_REPEATED = re.compile(r"(\w)\1{2,}")
_FORMULA = re.compile(r"[\"'\s]*[=+\-@＝＋－＠]")
_TEMPLATE = re.compile(r"\{\{|\}\}|\{%|\$\{|#\{|<%|[<>]|\[\[")
_ADDRESS = re.compile(r"://|\bwww\.|@\S+\.", re.IGNORECASE)
# Controls, line ends, marks that turn the direction of what follows, and letters that show nothing (Hangul's fillers);
# Cf letters that scripts need may stay.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u115f\u1160\u2028\u2029\u202a-\u202e\u2066-\u2069\u3164\uffa0\ufffd]")
PLAIN_NAME = r"[A-Za-zÀ-ÖØ-öø-ÿŒœŸŠšŽž][A-Za-zÀ-ÖØ-öø-ÿŒœŸŠšŽž ’'-]{2,60}"
_PLAIN_NAME = re.compile(PLAIN_NAME)


@lru_cache(maxsize=50_000)
def name_rule(name: str | None) -> str | None:
    """Why this cannot be a person's first or last name, or None. Absent names break no rule here.

    d’Ormesson, N’Diaye, 't Hooft, Łukasz, Null, Na and O are names.
    """
    if name is None:
        return None
    folded = name.casefold()
    if folded in PLACEHOLDERS or _REPEATED.fullmatch(folded):
        return "placeholder_name"
    if _PLAIN_NAME.fullmatch(name):
        return None
    return _odd_name_rule(name)


def _odd_name_rule(name: str) -> str | None:
    if _CONTROL.search(name):
        return "control_characters"
    if _TEMPLATE.search(name):
        return "template_code"
    letters = any(letter.isalpha() for letter in name)
    if letters and _FORMULA.match(name):
        return "formula"
    if not letters:
        return "digits_only" if any(letter.isdigit() for letter in name) else "placeholder_name"
    if _ADDRESS.search(name):
        return "not_a_name"
    return "name_too_long" if len(name) > LONGEST_NAME else None


HARMFUL = frozenset({"control_characters", "template_code", "formula", "not_a_name"})
"""Somebody typed an attack, or two columns ran together: the other half of such a name is not trusted either."""


def usable_name(
    civility: str | None, first: str | None, last: str | None, first_rule: str | None, last_rule: str | None
) -> tuple[str | None, str | None]:
    """First and last name as they may be printed, `(None, None)` when this person can't be addressed by name.

    A last name is needed, and beside it a first name or a civility: *Bonjour Dupont* is no way to greet anyone.
    """
    if last is None or last_rule or first_rule in HARMFUL:
        return None, None
    if last.casefold() in NULLISH and (first is None or first.casefold() in NULLISH):
        return None, None
    kept = None if first_rule else first
    if kept is None and civility is None:
        return None, None
    return kept, last


@lru_cache(maxsize=50_000)
def civility(text: str | None) -> str | None:
    """M or MME; None for what is neither (we do not guess from first names)."""
    return CIVILITIES.get(addresses.plain(text)) if text else None


@lru_cache(maxsize=50_000)
def language(text: str | None) -> str | None:
    """`fr` or `en` for codes (`fr-FR`, `ENG`) and names; None for any other."""
    if not text:
        return None
    words = addresses.plain(text).split()
    return LANGUAGES.get(words[0]) if words else None


# E-mail ----------------------------------------------------------------------------------------------------------

PLAIN_EMAIL = r"([A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*)@((?:[A-Za-z0-9]{1,61}(?:-[A-Za-z0-9]{1,20})?\.)+[A-Za-z]{2,4})"
_PLAIN_EMAIL = re.compile(rf"(?=.{{6,120}}\Z){PLAIN_EMAIL}")
# Their owners are the standards' authors: mail to them reaches nobody (RFC 6761, as email-validator lists them).
_SPECIAL_ENDINGS = (".arpa", ".local", ".invalid", ".onion")


def check_email(text: str | None) -> tuple[str | None, str | None]:
    """The address with its domain in lower case and ASCII, or `bad_email`. No network is asked.

    The local part keeps its case (RFC 5321, 2.3.11) and must be ASCII: not every sender of ours speaks SMTPUTF8.
    Two people may share an address. Domains kept for examples and tests (RFC 2606) are valid.
    """
    if text is None:
        return None, None
    plain = _PLAIN_EMAIL.fullmatch(text)
    if plain and len(plain[1]) <= 64:
        domain = plain[2].lower()
        if not domain.endswith(_SPECIAL_ENDINGS):
            return f"{plain[1]}@{domain}", None
    return _odd_email(text)


@lru_cache(maxsize=10_000)
def _odd_email(text: str) -> tuple[str | None, str | None]:
    try:
        found = validate_email(
            text, check_deliverability=False, allow_smtputf8=False, test_environment=True, strict=True
        )
    except EmailNotValidError:
        return None, "bad_email"
    if found.ascii_email is None or "." not in found.ascii_domain:
        return None, "bad_email"
    return found.ascii_email, None


# Where: territory, telephone, time zone ----------------------------------------------------------------------------

POSTCODE_TERRITORIES = {
    "971": "GP",
    "972": "MQ",
    "973": "GF",
    "974": "RE",
    "975": "PM",
    "976": "YT",
    "980": "MC",
    "984": "TF",
    "986": "WF",
    "987": "PF",
    "988": "NC",
}
ONE_PLAN = ("FR", "RE", "GP", "MQ", "GF", "YT")
"""France and its overseas departments share one numbering plan of ten digits: 0262… is dialled so from Paris, 01…
from Saint-Denis (Arcep). Libphonenumber knows them as countries apart (+33, +262, +590, +594, +596)."""

PRIMARY_ZONES = {
    "CL": "America/Santiago",
    "CN": "Asia/Shanghai",
    "DE": "Europe/Berlin",
    "ES": "Europe/Madrid",
    "MY": "Asia/Kuala_Lumpur",
    "NZ": "Pacific/Auckland",
    "PF": "Pacific/Tahiti",
    "PT": "Europe/Lisbon",
    "UA": "Europe/Kiev",
    "UZ": "Asia/Tashkent",
}
"""The zone of nearly all inhabitants where a country has a few more (CLDR, primary zones)."""

PEOPLE = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER,
    }
)
"""Numbers that ring at someone's; a premium or freephone number in a customer's record is a mistake."""

_SEPARATORS = str.maketrans("", "", " .-/()\u00a0\u202f\u2011\t")


def territory(country: str | None, postcode: str | None) -> str | None:
    """The ISO code of where someone lives: overseas France by its postcode, else the country."""
    if country == "FR" and postcode and len(postcode) == 5:
        return POSTCODE_TERRITORIES.get(postcode[:3], "FR")
    return country


def check_phone(text: str | None, place: str | None) -> tuple[str | None, str | None, str | None]:
    """`(E.164, its region, None)` or `(None, None, "bad_phone")`; read by the habits of the territory `place`."""
    if text is None:
        return None, None, None
    compact = text.translate(_SEPARATORS)
    for region in _regions(place):
        known = _plain_numbers(region)
        if known is None:  # only the library knows, and what it says of the nearer region comes first
            break
        calling_code, pattern = known
        if plain := pattern.fullmatch(compact):
            return f"+{calling_code}{plain[1]}", region, None
    return _odd_phone(text, place)


@cache
def _regions(place: str | None) -> tuple[str, ...]:
    """By whose rules a number is read, in this order."""
    if place in ONE_PLAN:
        return (place, *(region for region in ONE_PLAN if region != place))
    return (place or "ZZ",)


@cache
def _plain_numbers(region: str) -> tuple[int, re.Pattern[str]] | None:
    """Calling code and what a compact number of this region looks like, from libphonenumber's own tables.

    None unless the answer is the library's beyond doubt: numbers begin with 0 at home and 00 abroad, no carrier
    codes, and the region is its calling code's main one.
    """
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.country_code is None or metadata.general_desc is None:
        return None
    code = metadata.country_code
    habits = (metadata.national_prefix, metadata.national_prefix_for_parsing, metadata.international_prefix)
    if habits != ("0", "0", "00") or phonenumbers.region_code_for_country_code(code) != region:
        return None
    general = metadata.general_desc.national_number_pattern
    numbers = numbers_of_people(region)
    return code, re.compile(rf"(?:\+{code}0?|00{code}0?|0)(?=(?:{general})\Z)({numbers})", re.ASCII)


def numbers_of_people(region: str) -> str:
    """The national numbers of a region that ring at someone's, as a pattern without groups (PEOPLE, by pattern)."""
    metadata = PhoneMetadata.metadata_for_region(region)
    kinds = metadata and (metadata.fixed_line, metadata.mobile, metadata.voip, metadata.personal_number)
    return "|".join(kind.national_number_pattern for kind in kinds or () if kind and kind.national_number_pattern)


@lru_cache(maxsize=10_000)
def _odd_phone(text: str, place: str | None) -> tuple[str | None, str | None, str | None]:
    if any(letter.isalpha() for letter in re.sub(r"(?i)\b(?:ext|x|poste|tel|tél|t[ée]l[ée]phone)\b", "", text)):
        return None, None, "bad_phone"
    for region in _regions(place):
        try:
            number = phonenumbers.parse(text, region)
        except NumberParseException:
            continue
        if phonenumbers.number_type(number) in PEOPLE:
            e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
            return e164, phonenumbers.region_code_for_number(number), None
    return None, None, "bad_phone"


def time_zone(place: str | None, postcode: str | None, phone: str | None, region: str | None) -> str | None:
    """The IANA zone by whose clock this person may be rung: the address's, else the number's; None when neither tells.

    An address decides where it has a postcode. In countries of many zones (US, CA, AU) the number's area does.
    """
    if place == "ES" and postcode and postcode[:2] in ("35", "38"):
        return "Atlantic/Canary"
    by_address = _only_zone(place)
    by_number = _only_zone(region)
    if postcode:
        return by_address or by_number or _zone_of_number(phone)
    return by_number or _zone_of_number(phone) or by_address


@cache
def _only_zone(place: str | None) -> str | None:
    if place is None:
        return None
    zones = get_global("territory_zones").get(place, [])
    return PRIMARY_ZONES.get(place) or (str(zones[0]) if len(zones) == 1 else None)


@lru_cache(maxsize=10_000)
def _zone_of_number(phone: str | None) -> str | None:
    if phone is None:
        return None
    zones = phone_timezone.time_zones_for_number(phonenumbers.parse(phone))
    return zones[0] if len(zones) == 1 and zones[0] != phone_timezone.UNKNOWN_TIMEZONE else None


# Tidying ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=10_000)
def country(text: str | None) -> str | None:
    """The ISO code of a country given by code or name; None when it is none."""
    try:
        return addresses.country_code(text) if text else None
    except addresses.AddressProblem:
        return None


def postcode(text: str | None, country_code: str | None) -> str | None:
    """The postcode as it is printed; in France without the blanks and the `F-` that some put around it."""
    if text is None or country_code not in addresses.DOMESTIC or (len(text) == 5 and text.isdigit()):
        return text
    return re.sub(r"\AFR?-?(?=\d)", "", "".join(text.split()).upper())


def mask(value: str | None) -> str | None:
    """Enough to recognise, too little to use: `z***@e***.fr`, `+336******78`, `D***`."""
    if value is None:
        return None
    local, at, domain = value.partition("@")
    if at and local and "." in domain.strip(".") and "@" not in domain:
        return (
            f"{_first(local)}***@{_first(domain)}***.{domain.rpartition('.')[2]}"
            if "." in domain
            else f"{_first(local)}***"
        )
    if re.fullmatch(r"\+\d{8,15}", value):
        return f"{value[:4]}{'*' * (len(value) - 6)}{value[-2:]}"
    return f"{_first(value)}***" if value else ""


def _first(text: str) -> str:
    """The first letter, a dot for what is no letter to print."""
    return text[0] if unicodedata.category(text[0])[0] != "C" else "·"
