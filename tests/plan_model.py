"""The plan's rules once more, customer by customer in plain Python: what the SQL of `decisions` is held against.

Written from what is documented of the rules (decisions.py, consent_rule, the keys of a campaign) and not from the SQL.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any

from habitue import calling
from habitue.campaigns import Campaign
from habitue.decisions import PriceOf
from habitue.shop import Shop
from habitue.tables import Channel
from people import AT

Row = dict[str, Any]
MARKS = {"letter": "letter_mark", "email": "email_mark", "call": "phone_mark"}
COUNTED = {"planned", "claimed", "accepted", "unknown"}
"""States of a message that has reached its customer, or still may."""

LEFT = COUNTED - {"planned"}
"""Those of which something may have left: what still waits asks for itself."""


@dataclass(repr=False)
class Town:
    """A base, table by table, as rows to insert."""

    customer: list[Row] = field(default_factory=list)
    segment: list[Row] = field(default_factory=list)
    consent: list[Row] = field(default_factory=list)
    preference: list[Row] = field(default_factory=list)
    hold: list[Row] = field(default_factory=list)
    suppression: list[Row] = field(default_factory=list)
    run: list[Row] = field(default_factory=list)
    message: list[Row] = field(default_factory=list)
    shop_holdout: list[Row] = field(default_factory=list)
    call_attempt: list[Row] = field(default_factory=list)
    call_slot: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Fate:
    """What becomes of one customer: a message (channel, arm, cost), the holdout (channel, scope), or a rule and what it
    saw."""

    channel: str | None = None
    arm: str | None = None
    cost: int | None = None
    held_out: str | None = None
    rule: str | None = None
    value: str | None = None

    @property
    def written_to(self) -> bool:
        return self.rule is None and self.held_out is None


def drawn(salt: str) -> float:
    return int(hashlib.md5(salt.encode(), usedforsecurity=False).hexdigest()[:8], 16) / 2**32


@dataclass
class Model:
    town: Town
    campaign: Campaign
    shop: Shop
    on: date
    price: PriceOf
    planned_on: date | None = None
    """the run's day, where the rules are asked again on a later one, at the claim"""

    def fates(self) -> dict[str, Fate]:
        """Of everyone in the audience."""
        seats = self._seats()
        cut = self._cut(seats)
        return {who: self._fate(who, seats.get(who), cut.get(who)) for who in self.audience}

    def _fate(self, who: str, channel: str | None, cut: str | None) -> Fate:
        if found := self.barred(who):
            rule, _, value = found.partition(" ")
            return Fate(rule=rule, value=value)
        if channel is None:
            tried = [
                (way, self.closed(who, way) or f"household_served {self._host[who, way]}") for way in self.ways(who)
            ]
            return Fate(rule=tried[0][1].split(" ")[0], value=", ".join(f"{way} {why}" for way, why in tried))
        if cut:
            rule, _, value = cut.partition(" ")
            return Fate(rule=rule, value=f"{channel} {value}")
        if any(row["customer_id"] == who and row["year"] == self.on.year for row in self.town.shop_holdout) or (
            drawn(f"{self.shop.holdout.seed}/shop/{self.on.year}/{who}") < self.shop.holdout.share
        ):
            return Fate(channel, held_out="shop")
        if drawn(f"{self.campaign.seed}:{self.campaign.name}:{who}") < self.campaign.holdout:
            return Fate(channel, held_out="campaign")
        return Fate(channel, self.arm(who) or None, self.cost(who, channel))

    @cached_property
    def audience(self) -> dict[str, Row]:
        """Customer and standing in one row."""
        standing = {row["customer_id"]: row for row in self.town.segment}
        rows = [who | standing[who["customer_id"]] for who in self.town.customer if who["customer_id"] in standing]
        return {row["customer_id"]: row for row in rows if row["gone"] is None and self._meant(row)}

    def _meant(self, row: Row) -> bool:
        wanted = self.campaign.audience.filters
        asked_on = self.planned_on or self.on  # who is meant is asked at the plan, and not again
        since = None if row["last_day"] is None else (asked_on - row["last_day"]).days
        ranges = ((wanted.score, row["score"]), (wanted.spend, row["amount_cents"]), (wanted.days_since, since))
        places = f"{row['country']}-{row['postcode'] or ''}"
        return (
            row["segment"] in self.campaign.groups
            and all(
                value is not None and (limit.least or 0) <= value and (limit.most is None or value <= limit.most)
                for limit, value in ranges
                if limit
            )
            and (not wanted.tier or row["tier"] in wanted.tier)
            and (not wanted.language or self.language(row) in wanted.language)
            and (not wanted.region or any(places.startswith(region) for region in wanted.region))
        )

    # What keeps people out

    def barred(self, who: str) -> str | None:
        row = self.audience[who]
        held = defaultdict(list)
        for one in self.town.hold:
            if one["customer_id"] == who and one["closed_at"] is None:
                held[one["reason"]].append(self._day(one["opened_at"]))
        birth, age = row["birth_date"], self.shop.validation.minor_age
        years = birth and self.on.year - birth.year - ((self.on.month, self.on.day) < (birth.month, birth.day))
        if "erased" in held:
            return f"erased {min(held['erased'])}"
        if birth and years < age:
            return f"minor {years}"
        if row["deceased_on"] or "deceased" in held:
            return f"deceased {row['deceased_on'] or min(held['deceased'])}"
        if "complaint" in held:
            return f"complaint_open {min(held['complaint'])}"
        if "payment_incident" in held:
            return f"payment_incident {min(held['payment_incident'])}"
        return None

    def closed(self, who: str, channel: str) -> str | None:
        """The first rule that closes the channel to the customer, and what it saw."""
        return next(self.rules(who, channel), None)

    def rules(self, who: str, channel: str) -> Iterator[str]:
        row = self.audience[who]
        if found := self._consent(who, channel):
            yield found
        suppressed = [
            f"{one['reason']} {self._day(one['recorded_at'])}"
            for one in self.town.suppression
            if one["channel"] == channel and one["lifted_at"] is None and one["mark"] == row[MARKS[channel]]
        ]
        if suppressed:
            yield f"suppressed {min(suppressed)}"
        if barrier := row[f"{channel}_barrier"]:
            yield f"unreachable {barrier}"
        caps, contacts = self.campaign.effective_caps(self.shop), list(self._contacts(who))
        same = [run for run, way in contacts if way == channel]
        if (used := self._within(same, caps[channel].days)) >= caps[channel].most:
            yield f"frequency_cap {used} by {channel} in {caps[channel].days} days"
        if (used := self._within([run for run, _ in contacts], caps["any"].days)) >= caps["any"].most:
            yield f"frequency_cap {used} in {caps['any'].days} days"
        if (wish := self.wish(who)) and wish["fewer"]:
            fewer = self.shop.caps.fewer
            if (used := self._within([run for run, _ in contacts], fewer.days)) >= fewer.most:
                yield f"fewer_wanted {used} in {fewer.days} days"
        if not self.planned_on:  # the claim leaves this to the plan
            yield from self._recently(contacts, same, channel)
        if channel == "call" and not self._consent(who, channel) and (why := self._law(who)):
            yield why

    def _recently(self, contacts: list[tuple[Row, str]], same: list[Row], channel: str) -> Iterator[str]:
        pause = self.campaign.pause_days.get(Channel(channel), 0)
        recent = [run["run_id"] for run in same if self._apart(run) < pause]
        again = [
            run["run_id"]
            for run, _ in contacts
            if run["campaign"] == self.campaign.name and self._apart(run) < self.campaign.rest_days
        ]
        if recent or again:
            yield f"recently_contacted {max(recent or again)}"

    def _law(self, who: str) -> str | None:
        """Whether there is a moment in the rest of the run's window at which they may be rung."""
        row, run_day = self.audience[who], self.planned_on or self.on
        at = AT + (self.on - run_day)
        until = datetime.combine(run_day + timedelta(days=self.campaign.window.days), time(), self.shop.tz)
        said = self._last_word(who, "call")
        mine = [one for one in self.town.call_attempt if row["customer_id"] == one["customer_id"]]
        mine += [one for one in self.town.call_attempt if row["phone_mark"] == one["phone_mark"] and one not in mine]
        return calling.within(
            calling.Standing(
                calling.law_at(row["country"], row["postcode"]),
                row["timezone"],
                calling.Consent(not said[1], said[0], said[3]) if said else None,
                tuple(one["dialled_at"] for one in mine),
                tuple(one["starts_at"] for one in self.town.call_slot if one["customer_id"] == who),
            ),
            at,
            until,
        )

    def _consent(self, who: str, channel: str) -> str | None:
        said = self._last_word(who, channel)
        if said is None:
            return None if channel == "letter" else "no_consent"
        at, objected, _, until, _ = said
        if objected:
            return f"objected {self._day(at)}"
        ends = [until] if until else []
        if channel == "call":
            ends.append(self._day(at) + timedelta(days=self.shop.calls.consent_days))
        if channel != "letter" and ends and min(ends) < self.on:
            return f"consent_expired {min(ends)}"
        return None

    def _last_word(self, who: str, channel: str) -> tuple[Any, ...] | None:
        """Of a channel: when, whether it was a no, the status, until when, and whether we heard it ourselves."""
        end_of_day = datetime.combine(self.on + timedelta(days=1), time(), self.shop.tz)
        said = [
            (one["recorded_at"], one["status"] != "granted", one["status"], one["valid_until"], one["direct"])
            for one in self.town.consent
            if (one["customer_id"], one["channel"], one["purpose"]) == (who, channel, "marketing")
            and (one["recorded_at"] < end_of_day or (self.planned_on and one["status"] != "granted"))
        ]
        told_us = [one for one in said if one[-1]]
        if told_us and max(told_us, key=lambda one: one[:3])[1]:  # their own no: only their own yes undoes it
            said = [one for one in said if one[1] or one[-1]]
        return max(said, key=lambda one: (*one[:3], one[-1]), default=None)

    def wish(self, who: str) -> Row | None:
        """How they told us last that they wish to be written to."""
        told = [one for one in self.town.preference if one["customer_id"] == who]
        return max(told, key=lambda one: one["preference_id"], default=None)

    def language(self, row: Row) -> str:
        wish = self.wish(row["customer_id"])
        return wish["language"] if wish and wish["language"] in self.shop.languages else row["language"]

    def _contacts(self, who: str) -> Iterator[tuple[Row, str]]:
        runs = {run["run_id"]: run for run in self.town.run}
        for one in self.town.message:
            if one["customer_id"] == who and one["state"] in (LEFT if self.planned_on else COUNTED):
                run = runs[one["run_id"]]
                if one["state"] != "planned" or run["deliver_until"] > AT:  # later, nothing of it leaves by itself
                    yield run, one["channel"]

    def _within(self, runs: Iterable[Row], days: int) -> int:
        return sum(self._apart(run) < days for run in runs)

    def _apart(self, run: Row) -> int:
        return abs((run["on_date"] - (self.planned_on or self.on)).days)

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self.shop.tz).date()

    # Who takes which way

    def ways(self, who: str) -> list[str]:
        return [way.channel.value for way in self.campaign.treatment(self.audience[who]["segment"]).ways]

    def worth(self, who: str) -> tuple[int, int, str]:
        """The best customer first; between equals who bought last, then by id."""
        row = self.audience[who]
        return -row["lifetime_cents"], -row["last_day"].toordinal(), who

    def call_turn(self, who: str) -> tuple[bool, int, tuple[int, int, str]]:
        """Who may bring most if won back is called first; whoever that is not known of, after them by worth."""
        back = self.audience[who].get("won_back_cents")
        return back is None, -(back or 0), self.worth(who)

    def turn(self, seats: dict[str, str], who: str) -> object:
        return self.call_turn(who) if seats[who] == "call" else (False, 0, self.worth(who))

    def _seats(self) -> dict[str, str]:
        """Each customer's channel; `_host` says who has the seat of whoever lost one."""
        seats: dict[str, str] = {}
        taken: dict[tuple[str, object], str] = {}
        self._host: dict[tuple[str, str], str] = {}
        open_to = [who for who in self.audience if not self.barred(who)]
        for preference in range(3):
            for who in sorted(open_to, key=self.worth):
                ways = self.ways(who)
                if who in seats or len(ways) <= preference or self.closed(who, ways[preference]):
                    continue
                channel, row = ways[preference], self.audience[who]
                box = {"letter": row["household"], "email": row["person_mark"], "call": None}[channel]
                host = who if box is None else taken.setdefault((channel, box), who)
                if host == who:
                    seats[who] = channel
                else:
                    self._host[who, channel] = host
        return seats

    def _cut(self, seats: dict[str, str]) -> dict[str, str]:
        """Whom the money or the desk does not reach."""
        cut, spent, places = {}, 0, defaultdict(int)
        for who in sorted(seats, key=self.worth):
            spent += self.cost(who, seats[who])
            if self.campaign.budget is not None and spent > self.campaign.budget * 10_000:
                amount = (Decimal(spent) / 1_000_000).quantize(Decimal("0.01"), ROUND_HALF_UP)
                cut[who] = f"over_budget {amount}"
        for who in sorted(seats.keys() - cut.keys(), key=lambda who: (seats[who], self.turn(seats, who))):
            places[seats[who]] += 1
            most = self.campaign.effective_capacity(self.shop).get(Channel(seats[who]))
            if most is not None and places[seats[who]] > most:
                cut[who] = f"over_capacity {places[seats[who]]} of {most}"
        return cut

    def arm(self, who: str) -> str:
        draw, above = drawn(f"{self.campaign.seed}:{self.campaign.name}/arm/{who}"), 0.0
        for name, share in self.campaign.arms.items():
            above += share
            if draw < above:
                return name
        return list(self.campaign.arms)[-1] if self.campaign.arms else ""

    def cost(self, who: str, channel: str) -> int:
        row = self.audience[who]
        way = self.campaign.way(row["segment"], self.arm(who) or None, Channel(channel))
        return self.price(Channel(channel), way.template, self.language(row), row["segment"])
