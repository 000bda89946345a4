"""Random bases and campaigns: few people, few values, so that ties and every rule come up often."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Connection, insert, text

from habitue.campaigns import Campaign
from habitue.limits import Caps
from habitue.shop import Shop, load_shop
from habitue.tables import Channel, Hold, State, SuppressionReason, metadata
from people import AT, KEY, ON, event, marked, person, standing
from plan_model import MARKS, Row, Town

GROUPS = ("regular_heavy", "regular_light", "occasional_heavy", "occasional_light", "lapsed")
CHANNELS = tuple(channel.value for channel in Channel)
SHOP = load_shop()
NAMES = (("Anna", "Un"), ("Boris", "Un"), ("Zoé", "Deux"), (None, "Deux"))
ADDRESSES = (("FR", "69003", "Lyon"), ("FR", "01000", "Bourg"), ("BE", "1000", "Bruxelles"), ("FR", None, None))
MIDNIGHT = datetime.combine(ON, time(), SHOP.tz)
MOMENTS = tuple(
    MIDNIGHT + timedelta(**ago)
    for ago in (
        {"days": -400},
        {"days": -366},
        {"days": -365},
        {"days": -364},
        {"days": -30},
        {"seconds": -1},
        {"hours": 10},
        {"days": 1, "seconds": -1},
        {"days": 1},
        {"days": 9},
    )
)
BIRTHS = (date(1970, 1, 1), date(2008, 10, 1), date(2008, 10, 2), date(2008, 2, 29), date(2012, 1, 1))


def somebody(seed: int) -> Row:
    """Who a customer is, drawn from a seed: Hypothesis draws one number a customer, and leaves out whom it can."""
    draw = random.Random(seed)

    def seldom(*values: Any) -> Any:
        return draw.choice(values) if draw.random() < 0.08 else None

    return {
        "name": draw.choice(NAMES),
        "address": draw.choice(ADDRESSES),
        "email": draw.choice((None, "a@example.fr", "b@example.fr", "own", "own", "own")),
        "household": draw.choice((None, "lilas 1", "lilas 2", "own")),
        "birth_date": seldom(*BIRTHS),
        "deceased_on": seldom(date(2026, 6, 3)),
        "gone": seldom("2026-09-01"),
        "language": draw.choice(("fr", "en")),
        "barrier": seldom(*CHANNELS),
        "segment": draw.choice((*GROUPS, *GROUPS, *GROUPS, "prospect")),
        "worth": draw.choice((0, 5_000, 5_000, 20_000, 90_000)),
        "last": draw.choice((0, 30, 90, 90, 400)),
        "score": draw.choice((None, 3, 18)),
        "tier": draw.choice((None, "top_20", "other")),
        "agreed": draw.choice((None, *MOMENTS[1:6])),
        "consents": [
            (
                draw.choice(CHANNELS),
                draw.choice(("granted", "granted", "granted", "refused", "withdrawn")),
                draw.choice(MOMENTS),
                seldom(ON - timedelta(days=1), ON, ON + timedelta(days=400)),
                draw.choice(("marketing", "marketing", "service")),
                draw.random() < 0.4,
            )
            for _ in range(draw.choice((0, 0, 0, 1, 3)))
        ],
        "holds": [
            (draw.choice([*Hold]), draw.choice(MOMENTS[:6]), draw.random() < 0.7)
            for _ in range(draw.choice((0,) * 8 + (1, 2)))
        ],
        "suppressions": [
            (draw.choice(CHANNELS), draw.choice([*SuppressionReason]), draw.choice(MOMENTS[:6]), draw.random() < 0.7)
            for _ in range(draw.choice((0, 0, 0, 0, 1, 2)))
        ],
        "contacts": [
            (draw.randrange(4), draw.choice(CHANNELS), draw.choice([*State])) for _ in range(draw.choice((0, 1, 4)))
        ],
        "wishes": [
            (draw.choice((None, "fr", "en", "de")), draw.random() < 0.7) for _ in range(draw.choice((0, 0, 0, 1, 2)))
        ],
        "kept_out": draw.random() < 0.05,
        "timezone": seldom(None, "Indian/Reunion", "Europe/Lutetia") or "Europe/Paris",
        "attempts": [draw.randrange(40) for _ in range(draw.choice((0, 0, 0, 2, 5)))],
        "agreed_at": [AT + timedelta(days=draw.choice((0, 2, 3, 9)), hours=11) for _ in range(draw.random() < 0.08)],
    }


RUN = st.tuples(
    st.sampled_from(("spring", "autumn", "winback")),
    st.sampled_from((-200, -60, -59, -30, -29, -28, -10, -1, 1, 20, 30)),
)


def towns(least: int = 5, most: int = 60, *, alone: bool = False) -> st.SearchStrategy[Town]:
    """`alone`: nobody shares a letter box or is there twice."""
    crowd = st.integers(least, most).flatmap(lambda size: st.lists(st.integers(0, 2**24), min_size=size, max_size=size))
    return st.builds(_town, st.lists(RUN, min_size=1, max_size=4), crowd, st.just(alone))


def _town(runs: list[tuple[str, int]], seeds: list[int], alone: bool) -> Town:
    town = Town(run=[planned_run(campaign, ON + timedelta(days=days)) for campaign, days in sorted({*runs})])
    for number, seed in enumerate(seeds):
        own = {"household": "own", "email": "own"} if alone else {}
        _move_in(town, f"c{number:02}", somebody(seed) | own)
    return town


def _move_in(town: Town, who: str, drawn: Row) -> None:
    first, last = drawn["name"]
    country, postcode, city = drawn["address"]
    email = f"{who}@example.fr" if drawn["email"] == "own" else drawn["email"]
    row = marked(
        person(
            who,
            first_name=first,
            last_name=last,
            email=email,
            phone=f"+331990010{who[1:]}",
            country=country,
            postcode=postcode,
            city=city,
            household=who if drawn["household"] == "own" else drawn["household"],
            letter_barrier=None if postcode else "no_postcode",
            email_barrier=None if email else "no_email",
            **{name: drawn[name] for name in ("birth_date", "deceased_on", "gone", "language", "timezone")},
        )
    )
    if drawn["barrier"]:
        row[f"{drawn['barrier']}_barrier"] = "bad"
    town.customer.append(row)
    stands = standing(who, drawn["segment"], worth=drawn["worth"], last=ON - timedelta(days=drawn["last"]))
    town.segment.append({**stands, "score": drawn["score"], "tier": drawn["tier"]})
    agreed = [
        (way, "granted", drawn["agreed"], None, "marketing", False) for way in ("email", "call") if drawn["agreed"]
    ]
    for way, status, at, until, purpose, direct in [*agreed, *drawn["consents"]]:
        told = event(who, way, status, at, valid_until=until, purpose=purpose, direct=direct)
        _once(town.consent, told, but={"valid_until"})
    for language, fewer in drawn["wishes"]:
        town.preference.append(wish(who, language, fewer, len(town.preference) + 1))
    for reason, at, is_open in drawn["holds"]:
        _once(town.hold, hold(who, reason, at) | {"closed_at": None if is_open else AT}, but={"opened_at", "closed_at"})
    for way, reason, at, is_open in drawn["suppressions"]:
        if row[MARKS[way]]:
            found = suppression(row, way, reason, at) | {"lifted_at": None if is_open else AT}
            _once(town.suppression, found, but={"recorded_at", "lifted_at"})
    for place, way, state in drawn["contacts"]:
        if place < len(town.run):
            found = message(town.run[place]["run_id"], who, way, len(town.message) + 1, state)
            _once(town.message, found, but={"message_id", "position", "state"})
    town.call_attempt += [attempt(row, AT - timedelta(days=days)) for days in drawn["attempts"]]
    town.call_slot += [slot(who, at) for at in drawn["agreed_at"]]
    if drawn["kept_out"]:
        town.shop_holdout.append({"year": ON.year, "customer_id": who, "draw": 0.0, "known_at": AT})


def _once(rows: list[Row], row: Row, *, but: set[str]) -> None:
    """Adds the row unless one that differs only in these columns is there."""
    key = {name: value for name, value in row.items() if name not in but}
    if not any({name: value for name, value in one.items() if name not in but} == key for one in rows):
        rows.append(row)


def hold(who: str, reason: str, at: datetime = AT) -> Row:
    return {"customer_id": who, "reason": reason, "opened_at": at, "opened_by": "ops", "closed_at": None}


def attempt(row: Row, at: datetime) -> Row:
    """A call that nobody answered, on a list of the past."""
    known = {"message_id": "00000000-0000-0000-0000-000000000000", "run_id": "past:2026-01-01"}
    known |= {"customer_id": row["customer_id"], "phone_mark": row["phone_mark"], "mark_key": KEY.id}
    told = {"agent": "zoe", "dialled_at": at, "recorded_at": at, "ended_at": at, "disposition": "no_answer"}
    return known | told | {"source": "desk", "band": "morning"}


def slot(who: str, at: datetime) -> Row:
    agreed = {"customer_id": who, "starts_at": at, "agreed_at": AT - timedelta(days=1)}
    return agreed | {"agreed_by": "zoe", "proof": "said so on the phone"}


def wish(who: str, language: str | None, fewer: bool, number: int) -> Row:
    return {"preference_id": number, "customer_id": who, "language": language, "fewer": fewer, "since": AT}


def suppression(row: Row, way: str, reason: str, at: datetime = AT) -> Row:
    """Of the customer's own address or number."""
    known = {"channel": way, "mark": row[MARKS[way]], "reason": reason, "recorded_at": at, "mark_key": KEY.id}
    return {**known, "source": "person", "lifted_at": None}


def planned_run(campaign: str, on: date) -> Row:
    counted = dict.fromkeys(("audience", "planned", "held_out", "excluded", "cost_micros"), 0)
    hashes = dict.fromkeys(("campaign_sha256", "template_sha256", "audience_sha256", "content_sha256"), "0")
    frozen: Row = {"snapshot_id": ON.isoformat(), "package_version": "0", "seed": "1", "settings": {}, "shop": {}}
    until = datetime.combine(on + timedelta(days=7), time(), SHOP.tz)
    named = {"run_id": f"{campaign}:{on}", "campaign": campaign, "on_date": on, "files": {}}
    return {**named, **counted, **hashes, **frozen, "planned_at": AT, "deliver_until": until}


def message(run_id: str, who: str, way: str, number: int, state: str) -> Row:
    known = {"message_id": f"00000000-0000-0000-0000-{number:012}", "run_id": run_id, "customer_id": who}
    wording = {"channel": way, "segment": "lapsed", "language": "fr", "template": "x"}
    return {**known, **wording, "shard": 1, "position": number, "state": state}


# Campaigns

WAYS = st.lists(st.sampled_from(CHANNELS), unique=True, min_size=1)
CAP = st.fixed_dictionaries({"most": st.integers(1, 2), "days": st.sampled_from((1, 29, 30, 61))})
OFFER = {"text": {"fr": "Un thé offert.", "en": "A free tea."}}


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def campaigns(*, scarce: bool = True) -> st.SearchStrategy[Campaign]:
    """Any campaign; without `scarce`, one that has room for everybody: no budget, no capacity."""
    some: dict[str, st.SearchStrategy[Any]] = {
        "caps": st.fixed_dictionaries({}, optional=dict.fromkeys(("letter", "email", "call", "any"), CAP)),
        "pause_days": st.dictionaries(st.sampled_from(CHANNELS), st.sampled_from((1, 10, 30, 60)), max_size=2),
        "rest_days": st.sampled_from((0, 0, 30, 60)),
        "holdout": st.sampled_from((0.0, 0.0, 0.2, 0.5)),
        "seed": st.sampled_from(("1", "2")),
        "arms": st.sampled_from(({}, {}, {"a": 0.5, "b": 0.5}, {"a": 0.1, "b": 0.3, "c": 0.6})),
        "audience": audiences(),
    }
    if scarce:
        some["capacity"] = st.dictionaries(st.sampled_from(CHANNELS), st.sampled_from((0, 1, 3, 10)), max_size=2)
        some["budget"] = maybe(st.sampled_from((0.0, 10.0, 25.5, 60.0)))
    always = {} if scarce else {"capacity": st.just({"call": 1000})}
    return st.builds(_campaign, st.lists(WAYS, min_size=1, max_size=3), st.fixed_dictionaries(always, optional=some))


def audiences() -> st.SearchStrategy[Row]:
    filters: dict[str, st.SearchStrategy[Any]] = {
        "score": st.sampled_from(({"least": 10}, {"most": 5}, {"least": 3, "most": 18})),
        "tier": st.sampled_from((["top_20"], ["top_20", "other"])),
        "spend": st.sampled_from(({"least": 50.0}, {"most": 200.0})),
        "days_since": st.sampled_from(({"least": 30}, {"most": 90}, {"least": 30, "most": 90})),
        "language": st.sampled_from((["fr"], ["en", "fr"])),
        "region": st.sampled_from((["FR"], ["FR-69", "BE"], ["FR-0"])),
    }
    one = st.sampled_from(sorted(filters)).flatmap(lambda name: st.fixed_dictionaries({name: filters[name]}))
    some = st.lists(st.sampled_from(GROUPS), min_size=2, unique=True)
    return st.just({}) | st.builds(lambda drawn: {"filters": drawn}, one) | st.builds(lambda s: {"segments": s}, some)


def _campaign(ways: list[list[str]], given: Row) -> Campaign:
    treatments = {
        group: {"ways": [{"channel": way, "template": f"{way}/{group}"} for way in ways[number % len(ways)]]}
        | {"offer": OFFER}
        for number, group in enumerate(GROUPS)
    }
    if "b" in given.get("arms", {}):
        treatments[GROUPS[0]]["arms"] = {"b": {"templates": {ways[0][0]: "dear"}}}
    return Campaign.model_validate(
        {
            "name": "spring",
            "title": {"fr": "Printemps"},
            "owner": "ops",
            "kind": "image",
            "schedule": {"cron": "manual"},
            "treatments": treatments,
            **given,
        }
    )


SHOPS = tuple(
    load_shop(
        overrides={"calls": {"capacity": capacity}, "holdout": {"share": share}, "caps": {"fewer": fewer}},
    )
    for capacity, share, fewer in (
        (40, 0.0, {"most": 1, "days": 90}),
        (3, 0.0, {"most": 2, "days": 60}),
        (40, 0.2, {"most": 1, "days": 29}),
    )
)


def shops() -> st.SearchStrategy[Shop]:
    return st.sampled_from(SHOPS)


def price(channel: Channel, template: str, language: str, segment: str) -> int:
    """Uneven prices, in micros."""
    return {"letter": 1_730_000, "email": 1_000, "call": 3_300_000}[channel] * (3 if template == "dear" else 1) + (
        5_000 if language == "en" else 0
    )


# A rule more


def one_rule_more(draw: random.Random, town: Town, campaign: Campaign, shop: Shop) -> tuple[Town, Campaign, Shop]:
    """The same, but that somebody is now kept out, or a rule of the campaign or the shop is stricter."""
    caps = campaign.effective_caps(shop)
    tighter = {way: caps[way].model_copy(update={"most": 1, "days": caps[way].days + 20}) for way in Caps.model_fields}
    stricter: tuple[Row, ...] = (
        {"caps": Caps(**tighter)},
        {"pause_days": dict.fromkeys(Channel, 61)},
        {"rest_days": 61},
        {"holdout": (1 + campaign.holdout) / 2},
        {"capacity": {Channel(draw.choice(CHANNELS)): 1}},
        {"budget": min(campaign.budget or 10_000, 800)},
    )
    kind = draw.randrange(3)
    if kind == 0:
        return somebody_kept_out(draw, town), campaign, shop
    if kind == 1:
        return town, campaign.model_copy(update=draw.choice(stricter)), shop
    share = (1 + shop.holdout.share) / 2
    return town, campaign, shop.model_copy(update={"holdout": shop.holdout.model_copy(update={"share": share})})


def somebody_kept_out(draw: random.Random, town: Town) -> Town:
    """The same, but that one more customer must be left in peace, altogether or on a channel."""
    who = draw.choice(town.customer)
    name, channel = who["customer_id"], Channel(draw.choice(CHANNELS))
    said = [event(name, way, draw.choice(("withdrawn", "refused")), MOMENTS[7]) for way in CHANNELS]
    more = replace(town, consent=[*town.consent], hold=[*town.hold], suppression=[*town.suppression])
    told_us = draw.random() < 0.3

    def changed(**known: Any) -> Town:
        return replace(town, customer=[one | known if one is who else one for one in town.customer])

    match draw.randrange(8):
        case 0:
            _once(more.hold, hold(name, draw.choice([*Hold])), but={"opened_at", "closed_at"})
        case 1 if who[MARKS[channel]]:
            _once(more.suppression, suppression(who, channel, "unsubscribed"), but={"recorded_at", "lifted_at"})
        case 2:
            return changed(deceased_on=ON)
        case 3:
            return changed(**{f"{channel}_barrier": "bad"})
        case 4:
            return changed(gone="2026-09-30")
        case 5:
            kept_out = {"year": ON.year, "customer_id": name, "draw": 0.0, "known_at": AT}
            more.shop_holdout = [row for row in town.shop_holdout if row["customer_id"] != name] + [kept_out]
        case 6:
            last = [one["language"] for one in town.preference if one["customer_id"] == name][-1:]
            told = wish(name, last[0] if last else None, True, len(town.preference) + 1)
            return replace(town, preference=[*town.preference, told])
        case _:
            for one in said:
                _once(more.consent, one | {"direct": told_us}, but={"valid_until"})
    return more


# The base


class OneTransaction:
    """An engine whose every transaction is the test's own: what is planned can be undone."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        yield self.connection

    connect = begin


def settle_in(connection: Connection, town: Town) -> None:
    """The town as the base's content."""
    for name, rows in vars(town).items():
        if rows:
            connection.execute(insert(metadata.tables[name]), rows)
    connection.execute(
        text("insert into snapshot values (:id, :on, '0', :at)"),
        {"id": ON.isoformat(), "on": ON, "at": datetime.now(UTC)},
    )
