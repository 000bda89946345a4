"""What a plan decides, in temporary tables of its transaction: nothing here is kept.

1. `considered`: everyone in the audience at the run's snapshot, and the first rule that closes each channel to them.
   For the person: erased, minor, deceased, complaint_open, payment_incident. For a channel: consent (no_consent,
   objected, consent_expired), suppressed, unreachable, frequency_cap, fewer_wanted, recently_contacted; for a call
   also the law on every day of the run's window (see `calling`): country_unknown, timezone_unknown, not_screened,
   attempts_used, no_lawful_day.
2. `seat`: preference by preference, who takes which way; household_served closes it to all but one of a letter box (a
   letter) or of a person (an e-mail). A seat has its arm of the test, its text and its price.
3. `seat.cut`: over_budget, over_capacity, the best customers served first.
4. `decision`: a message, or the holdout, drawn last: the shop's own first, then the
   campaign's.
5. `refusal`: everyone else, with the first rule that applied to their preferred way and what it saw.
6. `planned_message`: the messages in order, each in its shard.

The order of rows changes nothing: every tie ends at the customer's id. A rule more takes no one in, but for the seats
that it frees: a household's letter, the desk's capacity and the budget go to the next in line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, text

from habitue import call_windows
from habitue.campaigns import Campaign
from habitue.errors import LedgerError
from habitue.limits import Cap
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import Channel

SHARD_SIZES = {Channel.EMAIL: 1000, Channel.CALL: 1_000_000}
"""Messages a shard, until MOST_SHARDS a channel are reached; a call list is one file. A shard of letters is a lot, and
never larger than the shop says, however many there are."""
MOST_SHARDS = 8
MOST_LOTS = 32_767

PriceOf = Callable[[Channel, str, str, str], int]
"""What a message of that channel, template and language costs for that group, in micros."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a plan is asked."""

    campaign: Campaign
    shop: Shop
    on: date
    run_id: str
    at: datetime
    price: PriceOf

    @property
    def end_of_day(self) -> datetime:
        """What was said by then is known on the run's day."""
        return end_of_day(self.on, self.shop)


@dataclass(frozen=True, slots=True)
class Counts:
    audience: int
    planned: int
    held_out: int
    excluded: int
    cost_micros: int


SEAT = (
    "seat (customer_id text, channel text, preference int, box text, host text, arm text, cut text, segment text, "
    "language text, lifetime_cents bigint, last_day date, template text, cost_micros bigint, draw float, "
    "shop_draw float)"
)


def end_of_day(on: date, shop: Shop) -> datetime:
    return datetime.combine(on + timedelta(days=1), time(), shop.tz)


def years_before(on: date, years: int) -> date:
    """The same day so many years ago; 28 February for the 29th where there was none."""
    try:
        return on.replace(year=on.year - years)
    except ValueError:
        return on.replace(year=on.year - years, day=28)


def decide(connection: Connection, asked: Question, salt: str) -> Counts:
    """Decides about everyone; `standing` says where they stood. The transaction must be rolled back or written from."""
    # Every join here is of all customers with all: where PostgreSQL takes one side for small, a loop would take hours.
    connection.execute(text("set local enable_nestloop = off"))
    _settings(connection, asked)
    _choose(connection, asked.campaign, asked.on)
    connection.execute(statement("plan/audience"), _audience_parameters(asked))
    connection.execute(text("drop view addressed"))
    if Channel.CALL in _channels(asked.campaign):
        _ask_the_law(connection, asked)
    connection.execute(text("analyze considered"))
    _check_languages(connection, asked.shop)
    draws = {"seed": asked.campaign.seed, "campaign": asked.campaign.name, "year": asked.on.year}
    draws |= _arm_parameters(asked.campaign)
    if asked.shop.holdout.share:
        drawn = {"seed": asked.shop.holdout.seed, "share": asked.shop.holdout.share, "at": asked.at}
        connection.execute(statement("plan/shop_holdout"), {"year": asked.on.year, **drawn})
    for preference in range(_most_ways(asked.campaign)):
        connection.execute(statement("plan/seats"), {"preference": preference, **draws})
        connection.execute(text("analyze seat"))
    if asked.campaign.budget is not None:
        connection.execute(statement("plan/budget"), {"budget_micros": asked.campaign.budget * 10_000})
    for channel, most in asked.campaign.effective_capacity(asked.shop).items():
        if channel in _channels(asked.campaign):
            connection.execute(statement("plan/capacity"), {"channel": channel, "most": most})
    connection.execute(statement("plan/decisions"))
    connection.execute(statement("plan/exclusions"))
    connection.execute(statement("plan/messages"), {"salt": salt})
    return Counts(**connection.execute(statement("plan/counts")).mappings().one())


def _ask_the_law(connection: Connection, asked: Question) -> None:
    """Whoever may not be rung on any day of the run's window is not on its list."""
    connection.execute(
        text("create temp table to_ring as select customer_id from considered where barred is null and call is null")
    )
    first = datetime.combine(asked.on, time(), asked.shop.tz)
    until = asked.campaign.window.ends(asked.on, asked.shop.tz)
    since = max(first, asked.at) if asked.at < until else first  # a run of the past: its window as it was
    moments = {"since": since, "until": until, "before": asked.end_of_day, "at": asked.at}
    with call_windows.unlawful(connection, **moments, shop=asked.shop):
        connection.execute(statement("plan/unlawful"))


def _check_languages(connection: Connection, shop: Shop) -> None:
    spoken = connection.scalars(text("select distinct language from considered")).all()
    if strange := sorted(set(spoken) - set(shop.languages)):
        raise LedgerError(
            f"customers of the audience are to be written to in {', '.join(strange)}, and the shop writes in "
            f"{' and '.join(shop.languages)}: add the language to shop.yaml, or run the DAG customer_base again"
        )


def _channels(campaign: Campaign) -> set[Channel]:
    return {way.channel for segment in campaign.groups for way in campaign.treatment(segment).ways}


def _most_ways(campaign: Campaign) -> int:
    return max(len(campaign.treatment(segment).ways) for segment in campaign.groups)


def _settings(connection: Connection, asked: Question) -> None:
    """The campaign as small tables that the questions join."""
    campaign = asked.campaign
    arms = list(campaign.arms) or [""]
    ways: list[dict[str, Any]] = [
        {"segment": segment, "preference": place, "channel": way.channel}
        for segment in campaign.groups
        for place, way in enumerate(campaign.treatment(segment).ways)
    ]
    wordings: list[dict[str, Any]] = [
        {
            "segment": way["segment"],
            "arm": arm,
            "channel": way["channel"],
            "template": campaign.way(way["segment"], arm or None, way["channel"]).template,
        }
        for way in ways
        for arm in arms
    ]
    prices: list[dict[str, Any]] = [
        {
            "channel": channel,
            "template": name,
            "language": language,
            "segment": segment,
            "cost": asked.price(channel, name, language, segment),
        }
        for channel, name, segment in sorted({(row["channel"], row["template"], row["segment"]) for row in wordings})
        for language in asked.shop.languages
    ]
    tables = {
        "way (segment text, preference int, channel text)": ways,
        "wording (segment text, arm text, channel text, template text)": wordings,
        "price (channel text, template text, language text, segment text, cost_micros bigint)": prices,
        "shard_size (channel text, size int, most int)": [
            {"channel": Channel.LETTER, "size": asked.shop.letters.lot, "most": MOST_LOTS},
            *({"channel": channel, "size": size, "most": MOST_SHARDS} for channel, size in SHARD_SIZES.items()),
        ],
        "share (holdout float)": [{"holdout": campaign.holdout}],
        SEAT: [],
    }
    for table, rows in tables.items():
        connection.execute(text(f"create temp table {table} on commit drop"))
        if rows:
            names = ", ".join(f":{name}" for name in rows[0])
            connection.execute(text(f"insert into {table.split(' ')[0]} values ({names})"), rows)  # noqa: S608 - ours


def _arm_parameters(campaign: Campaign) -> dict[str, Any]:
    """The arms, and up to which draw each but the last one reaches."""
    return {"arms": list(campaign.arms) or [""], "arm_bounds": list(accumulate(campaign.arms.values()))[:-1]}


def _choose(connection: Connection, campaign: Campaign, on: date) -> None:
    """Whom the audience speaks to before any filter, as `addressed`: all that stand, or whom its own question names."""
    if campaign.audience.sql is None:
        connection.execute(text("create temp view addressed as select * from standing"))
        return
    named = f"audience/{campaign.audience.sql}"
    connection.execute(
        text(f"create temp table chosen on commit drop as {statement(named).text}"),
        {"on": on, **campaign.audience.parameters},
    )
    connection.execute(text("analyze chosen"))
    connection.execute(
        text(
            "create temp view addressed as select * from standing where customer_id in (select customer_id from chosen)"
        )
    )


def _audience_parameters(asked: Question) -> dict[str, Any]:
    campaign, filters = asked.campaign, asked.campaign.audience.filters
    caps = campaign.effective_caps(asked.shop)
    pauses = {channel: campaign.pause_days.get(channel, 0) for channel in Channel}
    return {
        "on": asked.on,
        "at": asked.at,
        "zone": asked.shop.timezone,
        "end_of_day": asked.end_of_day,
        "run_id": asked.run_id,
        "campaign": campaign.name,
        "segments": [segment.value for segment in campaign.groups],
        "channels": [channel.value for channel in sorted(_channels(campaign))],
        "adult_since": years_before(asked.on, asked.shop.validation.minor_age),
        "consent_days": asked.shop.calls.consent_days,
        "spoken": list(asked.shop.languages),
        **_cap_parameters(caps),
        **{f"{channel}_pause": days for channel, days in pauses.items()},
        "rest_days": campaign.rest_days,
        "longest": max(campaign.rest_days, *pauses.values(), *(cap.days for cap in caps.values())),
        "score_least": filters.score and filters.score.least,
        "score_most": filters.score and filters.score.most,
        "spend_least": filters.spend and filters.spend.least,
        "spend_most": filters.spend and filters.spend.most,
        "days_since_least": filters.days_since and filters.days_since.least,
        "days_since_most": filters.days_since and filters.days_since.most,
        "tiers": filters.tier and list(filters.tier),
        "languages": filters.language and list(filters.language),
        "regions": filters.region and list(filters.region),
    }


def _cap_parameters(caps: dict[str, Cap]) -> dict[str, int]:
    return {
        **{f"{name}_most": cap.most for name, cap in caps.items()},
        **{f"{name}_days": cap.days for name, cap in caps.items()},
    }
