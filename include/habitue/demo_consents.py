"""What the customers of the demonstration shop allowed, refused and took back: an append-only list of events.

E-mail: at the till, for one's own similar products, with the right to object (L. 34-5 CPCE, "soft opt-in"); somebody
who never bought must have consented. Letters: a legitimate interest, so only objections are written down. Calls:
consent only, for a year at most and never renewed in silence (L. 223-1 and R. 223-1 of the Code de la consommation).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitue.demo_orders import HISTORY_DAYS, Lives

Array = NDArray[Any]
Events = dict[str, Array]
"""customer (place in the block), canal, statut, base, origine, version_texte: text (None: empty); minute:
datetime64[m], shop time; valid_until: datetime64[D], NaT for calls not granted and for other channels."""

LETTER_REFUSED = 0.04
EMAIL_GRANTED, EMAIL_REFUSED, EMAIL_WITHDRAWN = 0.91, 0.05, 0.07  # of those with an address; withdrawn of the granted
CALL_GRANTED, CALL_WITHDRAWN = 0.565, 0.08  # of those with a number; withdrawn of the granted
CALL_RENEWED_ACTIVE, CALL_RENEWED_GONE = 0.65, 0.4
CALL_LAW = np.datetime64("2026-08-11")  # loi 2025-594: the shop changed the words it asks with


def consents(
    rng: np.random.Generator, who: Lives, with_email: Array, with_phone: Array, until: np.datetime64
) -> Events:
    """All events of a block by time; none before a customer was known, after `until` or after a death."""
    last_day = np.where(np.isnat(who.deceased), until, who.deceased)
    events = [
        *_letters(rng, who, last_day),
        *_emails(rng, who, with_email, last_day),
        *_calls(rng, who, with_phone, last_day, until),
    ]
    joined = {name: np.concatenate([event[name] for event in events]) for name in events[0]}
    by_time = np.lexsort((joined["customer"], joined["minute"]))
    return {name: column[by_time] for name, column in joined.items()}


def a_year_later(days: Array) -> Array:
    """The same day of the next year; 28 February for the 29th."""
    months = days.astype("datetime64[M]")
    same_day = (months + 12).astype("datetime64[D]") + (days - months.astype("datetime64[D]"))
    in_that_month: Array = np.minimum(same_day, (months + 13).astype("datetime64[D]") - 1)
    return in_that_month


def _event(
    rng: np.random.Generator,
    customer: Array,
    day: Array,
    channel: str,
    status: str,
    *,
    basis: Array | str | None,
    wording: Array | str,
) -> Events:
    count = len(customer)
    origins = {
        "accordé": ("caisse", "site", "carte-réponse"),
        "refusé": ("caisse", "site", "courrier"),
        "retiré": ("lien de désinscription" if channel == "courriel" else "service clients", "site", "boutique"),
    }[status]
    valid_until = np.full(count, np.datetime64("NaT", "D"))
    if channel == "appel" and status == "accordé":
        valid_until = a_year_later(day)
    return {
        "customer": customer,
        "minute": day.astype("datetime64[m]") + (600 + rng.integers(0, 540, count)),
        "canal": np.full(count, channel, dtype=object),
        "statut": np.full(count, status, dtype=object),
        "base": np.full(count, basis, dtype=object) if basis is None or isinstance(basis, str) else basis,
        "origine": np.array(origins, dtype=object)[np.searchsorted([0.6, 0.85], rng.random(count), side="right")],
        "version_texte": np.full(count, wording, dtype=object) if isinstance(wording, str) else wording,
        "valid_until": valid_until,
    }


def _between(rng: np.random.Generator, first: Array, last: Array) -> Array:
    """A day from `first` to `last`, both included; `first` where there is none."""
    span = np.maximum((last - first).astype(np.int64), 0) + 1
    day: Array = first + (rng.random(len(first)) * span).astype(np.int64)
    return day


def _letters(rng: np.random.Generator, who: Lives, last_day: Array) -> list[Events]:
    refused = np.flatnonzero(rng.random(len(who)) < LETTER_REFUSED)
    day = _between(rng, who.created[refused], last_day[refused])
    return [_event(rng, refused, day, "courrier", "refusé", basis=None, wording="courrier-v1")]


def _emails(rng: np.random.Generator, who: Lives, with_email: Array, last_day: Array) -> list[Events]:
    chance = rng.random(len(who))
    granted = np.flatnonzero(with_email & (chance < EMAIL_GRANTED))
    refused = np.flatnonzero(with_email & (chance >= 1 - EMAIL_REFUSED))
    withdrawn = granted[rng.random(len(granted)) < EMAIL_WITHDRAWN]
    withdrawn = withdrawn[who.created[withdrawn] < last_day[withdrawn]]
    basis = np.where(who.buyer[granted], "client existant", "consentement").astype(object)
    later = _between(rng, who.created[withdrawn] + 1, last_day[withdrawn])
    return [
        _event(rng, granted, who.created[granted], "courriel", "accordé", basis=basis, wording="courriel-v2"),
        _event(rng, refused, who.created[refused], "courriel", "refusé", basis=None, wording="courriel-v2"),
        _event(rng, withdrawn, later, "courriel", "retiré", basis=None, wording="courriel-v2"),
    ]


def _calls(
    rng: np.random.Generator, who: Lives, with_phone: Array, last_day: Array, until: np.datetime64
) -> list[Events]:
    """Asked for the first time some day of the last two and a half years, again when the year is nearly over."""
    customer = np.flatnonzero(with_phone & (rng.random(len(who)) < CALL_GRANTED))
    ago = rng.integers(0, 900, len(customer))
    day = np.maximum(who.created[customer], np.minimum(until - ago, last_day[customer]))
    gone = who.end[customer] < HISTORY_DAYS - 365
    faith = np.where(gone, CALL_RENEWED_GONE, CALL_RENEWED_ACTIVE)

    events, latest, going = [], day, np.ones(len(customer), dtype=bool)
    while going.any():
        asked, words = customer[going], _call_wording(day[going])
        events.append(_event(rng, asked, day[going], "appel", "accordé", basis="consentement", wording=words))
        latest = np.where(going, day, latest)
        day = latest + rng.integers(330, 400, len(customer))
        going = going & (rng.random(len(customer)) < faith) & (day <= last_day[customer])

    withdrawn = (rng.random(len(customer)) < CALL_WITHDRAWN) & (latest < last_day[customer])
    later = _between(rng, latest[withdrawn] + 1, last_day[customer[withdrawn]])
    words = _call_wording(later)
    events.append(_event(rng, customer[withdrawn], later, "appel", "retiré", basis=None, wording=words))
    return events


def _call_wording(day: Array) -> Array:
    return np.where(day < CALL_LAW, "appel-2024-01", "appel-2026-08").astype(object)
