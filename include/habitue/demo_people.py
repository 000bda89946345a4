"""Who the customers of the demonstration shop are and what they allowed: names, addresses, numbers, consents.

Everything that could reach somebody is fiction: e-mail under example.fr and example.com (RFC 2606 and its French
sibling), telephone numbers from the ranges that Arcep keeps for fiction. Postcodes and towns are real, streets are
such as every town has, names come from Faker's lists.

Faker is slow, so it fills pools once (`pools`); each customer is then a few draws by numpy.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from habitue.demo_catalogue import STREETS, TOWNS, phone_zone

if TYPE_CHECKING:
    from habitue.demo_orders import Lives

Array = NDArray[Any]
People = dict[str, Array]
"""The columns of clients.csv: text as object arrays (None: nothing written), dates as datetime64[D]."""

ENGLISH = 0.12
WOMEN = 0.62
NO_CIVILITY = 0.06
WITH_EMAIL, WITH_PHONE, WITH_ADDRESS, WITH_BIRTHDAY = 0.88, 0.8, 0.96, 0.84
COUPLES = 0.04  # pairs: twice as many customers share name and address
MINORS = 0.003

FICTION_RANGES = ("19900", "26191", "35301", "46571", "53649")
"""Arcep keeps these for fiction, by zone 01 to 05; four digits follow. phonenumbers finds them valid, unlike the
mobile range 06 39 98."""

KEEP = (
    # Odd and right: first name, last name, postcode, town. Whoever cleans these rows away has lost a customer.
    ("Jennifer", "Null", "80190", "Y"),
    ("Fatou", "N’Diaye", "95450", "Us"),
    ("Aude", "d’Ormesson", "76260", "Eu"),
    ("Inés", "Nuñez", "38114", "Oz"),
    ("Łukasz", "Wójcik", "97410", "Saint-Pierre"),
    ("Jean-Noël", "NULL", "69002", "Lyon"),
    ("Marie-Ève", "Œuvrard", "13001", "Marseille"),
    ("Jo", "O'Neill", "69432", "Lyon CEDEX 03"),
    ("Thi", "Na", "01000", "Bourg-en-Bresse"),
    ("Ciro", "Esposito", "80134", "NA"),  # lives in Naples; the till kept the province's sign as the town
)


@dataclass(frozen=True)
class Pools:
    first_names: tuple[Array, ...]  # French women, French men, English women, English men
    last_names: tuple[Array, ...]  # French, English
    streets: Array
    complements: Array
    towns: Array  # names
    postcodes: Array
    town_shares: Array  # cumulative, up to 1
    zones: Array


def pools(seed: int) -> Pools:
    """Faker's names and some streets, drawn once a shop; the same for the same seed and release of Faker."""
    from faker import Faker

    french, english = Faker("fr_FR"), Faker("en_GB")
    french.seed_instance(seed)
    english.seed_instance(seed)
    weights = np.array([town.weight for town in TOWNS])
    return Pools(
        first_names=(
            _texts(french.first_name_female() for _ in range(600)),
            _texts(french.first_name_male() for _ in range(600)),
            _texts(english.first_name_female() for _ in range(300)),
            _texts(english.first_name_male() for _ in range(300)),
        ),
        last_names=(
            _texts(french.last_name() for _ in range(1500)),
            _texts(english.last_name() for _ in range(600)),
        ),
        streets=_texts([*STREETS * 4, *(french.street_name() for _ in range(120))]),
        complements=_texts(_COMPLEMENTS),
        towns=_texts(town.name for town in TOWNS),
        postcodes=_texts(town.postcode for town in TOWNS),
        town_shares=np.cumsum(weights) / weights.sum(),
        zones=np.array([phone_zone(town.postcode) for town in TOWNS]),
    )


_COMPLEMENTS = (
    [f"Appartement {number}" for number in range(1, 41)]
    + [f"Bâtiment {letter}" for letter in "ABCDEF"] * 3
    + [f"Bâtiment {letter}, escalier {stair}" for letter in "ABC" for stair in (1, 2)]
    + [f"{floor}e étage, porte {side}" for floor in (2, 3, 4, 5) for side in ("droite", "gauche")]
    + ["Résidence Les Charmes", "Résidence du Parc", "Résidence Bellevue", "Le Clos des Vignes", "Lieu-dit Le Bourg"]
    * 3
)


def people(rng: np.random.Generator, who: Lives, first_serial: int, until: np.datetime64, pool: Pools) -> People:
    """The customers of a block; ids count on from `first_serial`."""
    count = len(who)
    pairs = rng.permutation(count)[: 2 * round(COUPLES * count)].reshape(2, -1)
    english = rng.random(count) < ENGLISH
    english[pairs[1]] = english[pairs[0]]
    woman = rng.random(count) < WOMEN
    first = _draw(rng, pool.first_names, 2 * english + ~woman)
    last = _draw(rng, pool.last_names, english.astype(np.int64))
    last[pairs[1]] = last[pairs[0]]
    street = _streets(rng, count, pool)
    complement = _some(rng, pool.complements[rng.integers(0, len(pool.complements), count)], 0.22)
    town = np.minimum(np.searchsorted(pool.town_shares, rng.random(count), side="right"), len(pool.towns) - 1)
    nowhere = rng.random(count) >= WITH_ADDRESS
    for column in (street, complement, town, nowhere):
        column[pairs[1]] = column[pairs[0]]
    serials = np.arange(first_serial, first_serial + count)

    shop = {
        "id_client": _texts(f"C{serial:07d}" for serial in serials),
        "civilite": _some(rng, np.where(woman, "Mme", "M.").astype(object), 1 - NO_CIVILITY),
        "prenom": first,
        "nom": last,
        "date_naissance": _birthdays(rng, who, until),
        "langue": np.where(english, "en", "fr").astype(object),
        "courriel": _some(rng, _emails(rng, first, last, serials), WITH_EMAIL),
        "telephone": _some(rng, _phones(rng, pool.zones[town]), WITH_PHONE),
        "adresse": street,
        "complement": complement,
        "code_postal": pool.postcodes[town],
        "ville": pool.towns[town],
        "pays": np.full(count, "FR", dtype=object),
        "cree_le": who.created.copy(),
        "decede_le": who.deceased.copy(),
    }
    capitals = rng.random(count) < 0.1  # a colleague at the till who never lifts the key
    shop["nom"][capitals] = [name.upper() for name in last[capitals]]
    for name in ("adresse", "complement", "code_postal", "ville"):
        shop[name][nowhere] = None
    return shop


def keep_odd_ones(shop: People, places: Array, pool: Pools) -> None:
    """Writes the people of `KEEP` over the customers at these places (first come, first written)."""
    for place, (first, last, postcode, town) in zip(places, KEEP, strict=False):
        shop["prenom"][place], shop["nom"][place] = first, last
        shop["code_postal"][place], shop["ville"][place] = postcode, town
        shop["adresse"][place] = "Via Toledo 256" if town == "NA" else f"{place % 90 + 1} {pool.streets[0]}"
        shop["complement"][place] = None
        shop["pays"][place] = "IT" if town == "NA" else "FR"
        serial = int(shop["id_client"][place][1:])
        shop["courriel"][place] = f"{plain(first)}.{plain(last)}.{serial}@example.fr"


def plain(name: str) -> str:
    """A name as people write it into their e-mail address: small ASCII letters, and a hyphen where there was one."""
    for letter, written in (("ł", "l"), ("œ", "oe"), ("æ", "ae")):
        name = name.lower().replace(letter, written)
    bare = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(sign for sign in bare if sign.isalnum() or sign == "-") or "client"


def _texts(values: Any) -> Array:
    listed = list(values)
    texts = np.empty(len(listed), dtype=object)
    texts[:] = listed
    return texts


def _some(rng: np.random.Generator, values: Array, share: float) -> Array:
    """The values, with None for all but this share."""
    values = values.copy()
    values[rng.random(len(values)) >= share] = None
    return values


def _draw(rng: np.random.Generator, lists: tuple[Array, ...], which: Array) -> Array:
    """One value for each row, from the list whose number the row names."""
    sizes = np.array([len(names) for names in lists])
    offsets = np.cumsum(sizes) - sizes
    drawn: Array = np.concatenate(lists)[offsets[which] + (rng.random(len(which)) * sizes[which]).astype(np.int64)]
    return drawn


def _streets(rng: np.random.Generator, count: int, pool: Pools) -> Array:
    names = pool.streets[rng.integers(0, len(pool.streets), count)]
    numbers = 1 + (rng.random(count) ** 2 * 180).astype(np.int64)
    kinds = np.searchsorted([0.03, 0.07, 0.09], rng.random(count), side="right")
    suffixes = (None, " bis", " ter", "")
    return _texts(
        street if suffixes[kind] is None else f"{number}{suffixes[kind]} {street}"
        for street, number, kind in zip(names, numbers.tolist(), kinds.tolist(), strict=True)
    )


def _birthdays(rng: np.random.Generator, who: Lives, until: np.datetime64) -> Array:
    """Between 18 and 86 years old when they became customers; a few are minors now."""
    count = len(who)
    age = 18 * 366 + (rng.beta(2.0, 2.6, count) * 68 * 365.25).astype(np.int64)
    birthdays = who.created - age
    birthdays[rng.random(count) >= WITH_BIRTHDAY] = np.datetime64("NaT")
    newcomers = rng.permutation(np.flatnonzero(who.newcomer))[: max(round(MINORS * count), min(count // 200, 1))]
    birthdays[newcomers] = until - rng.integers(12 * 366, 18 * 365 - 5, len(newcomers))
    return birthdays


def _emails(rng: np.random.Generator, first: Array, last: Array, serials: Array) -> Array:
    known: dict[str, str] = {}
    for name in [*first, *last]:
        if name not in known:
            known[name] = plain(name)
    hosts = np.where(rng.random(len(first)) < 0.6, "example.fr", "example.com").tolist()
    loud = (rng.random(len(first)) < 0.02).tolist()
    written = (
        f"{known[one]}.{known[two]}.{serial}@{host}"
        for one, two, serial, host in zip(first, last, serials.tolist(), hosts, strict=True)
    )
    return _texts(email.upper() if shout else email for email, shout in zip(written, loud, strict=True))


_HABITS = (
    lambda n: f"0{n[0]} {n[1:3]} {n[3:5]} {n[5:7]} {n[7:]}",
    lambda n: f"0{n}",
    lambda n: f"0{n[0]}.{n[1:3]}.{n[3:5]}.{n[5:7]}.{n[7:]}",
    lambda n: f"+33 {n[0]} {n[1:3]} {n[3:5]} {n[5:7]} {n[7:]}",
    lambda n: f"0033{n}",
)
"""How people write the nine national digits."""


def _phones(rng: np.random.Generator, zones: Array) -> Array:
    habits = np.searchsorted([0.55, 0.8, 0.9, 0.97], rng.random(len(zones)), side="right")
    lines = rng.integers(0, 10_000, len(zones))
    return _texts(
        _HABITS[habit](f"{FICTION_RANGES[zone]}{line:04d}")
        for zone, line, habit in zip(zones.tolist(), lines.tolist(), habits.tolist(), strict=True)
    )
