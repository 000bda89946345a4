"""A quarter's report in words: one plain structure, which the HTML and the PDF both set. What it says is what the pages
and the CSVs say: the same functions write the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from datetime import date
from functools import cache
from typing import Any

from habitue import (
    budgets,
    calendars,
    effects,
    figures_in_words,
    losses,
    measures,
    verdicts,
    worths_in_words,
    year_effects_in_words,
)
from habitue.advice import advice
from habitue.calls import FOLDER, read_words
from habitue.figures import FIGURES
from habitue.headlines import Card
from habitue.quarterly import Mailing, Quarterly
from habitue.report import WEB, cost, count, percent, words
from habitue.settings import Language, read_yaml
from habitue.shop import Shop
from habitue.texts import long_date, money, typography
from habitue.verdicts import result_words

NEXT = 3
MOVES = 4
MEANT = ("attrition", "basket", "frequency", "complaints", "slowing", "size", "spend")
"""Figures of the base whose meaning the report states."""
MEASURED = ("sent", "effect", "extra_orders")


@cache
def report_words(language: str) -> Mapping[str, Any]:
    """The words, set as a printer would."""

    def typeset(content: Any) -> Any:
        if isinstance(content, dict):
            return {key: typeset(value) for key, value in content.items()}
        return typography(content, language)

    return dict(typeset(read_yaml(WEB / f"quarterly.{language}.yaml")))


class Told:
    """The report of one quarter in one language."""

    def __init__(self, found: Quarterly, shop: Shop, language: Language) -> None:
        self.found = found
        self.shop: Shop = shop.model_copy(update={"language": language})
        self.language: Language = language
        self.say = report_words(language)
        self.known = words(language)
        self.results = result_words(language)
        self.reasons: Mapping[str, str] = read_words(FOLDER / f"list.{language}.yaml", language)["reasons"]

    def content(self) -> dict[str, Any]:
        """All that the report says: strings, and numbers from 0 to 1 for the lengths of bars."""
        found, say = self.found, self.say
        return {
            "language": self.language,
            "shop": self.shop.name,
            "title": say["title"],
            "of": say["of"].format(
                quarter=found.quarter.said(self.language),
                first=long_date(found.quarter.first, self.language),
                last=long_date(found.quarter.last, self.language),
            ),
            "under_way": say["under_way"].format(day=long_date(found.on, self.language)) if found.under_way else "",
            "five": say["five"],
            "short": {"title": say["short"]["title"], "points": self._short()},
            "changed": self._changed(),
            "earned": self._earned(),
            "losing": self._losing(),
            "next": self._next(),
            "money": self._money(),
            "means": self._means(),
        }

    def _count(self, number: float) -> str:
        return count(round(number), self.language)

    def _euros(self, cents: float) -> str:
        """To the unit, as an estimate deserves."""
        return money(100 * round(cents / 100), self.shop.currency, self.language).replace("-", "−")

    def _cost(self, micros: int) -> str:
        return cost(micros, self.shop.currency, self.language)

    def _group(self, name: str) -> str:
        return str(self.say["changed"]["new"]) if name == "new" else str(self.known["segments"][name])

    def _short(self) -> list[str]:
        found, say = self.found, self.say["short"]
        said = [
            say["groups"].format(
                customers=self._count(sum(group.size.value for group in found.headlines.groups)),
                lost=self._count(sum(found.lost.values())),
                back=self._count(found.back),
                new=self._count(found.new),
            )
        ]
        if not found.mailings:
            return [*said, say["nothing_sent"]]
        gains = [one for one in found.mailings if _verdict(one) == "gain"]
        for one in gains[:2]:
            of = one.results.whole.buyers  # type: ignore[union-attr]
            between = of.extra_interval
            said.append(
                say["gain"].format(
                    title=one.title(self.language),
                    extra=self._count(of.extra),
                    low=self._count(between.low),
                    high=self._count(between.high),
                )
            )
        if not gains:
            said.append(say["no_gain"])
        return [*said, say["spent"].format(sent=self._count(found.sent.sent), cost=self._cost(found.sent.cost_micros))]

    def _changed(self) -> dict[str, Any]:
        found, say = self.found.headlines, self.say["changed"]
        spend = sum(group.spend.value for group in found.groups)
        largest = max((group.size.value for group in found.groups), default=1) or 1
        told = worths_in_words.rows(self.found.lasting, self.found.worths, self.shop)
        worth = {one.segment: row for one, row in zip(self.found.lasting, told, strict=True)}
        return {
            **{name: say[name] for name in ("title", "group", "customers", "change", "spend", "share")},
            "cards": [self._card(card) for card in found.cards if card.now and card.now.amount is not None],
            "groups": [
                {
                    "name": self._group(group.name),
                    "customers": self._count(group.size.value),
                    "change": self._change(group.change),
                    "spend": figures_in_words.written(group.spend, self.shop),
                    "share": percent(group.spend.value / spend, self.language) if spend else "",
                    "bar": group.size.value / largest,
                    "spend_bar": group.spend.value / spend if spend else 0.0,
                    "next_year": worth[group.name].next_year if group.name in worth else figures_in_words.NOTHING,
                    "lasting": worth[group.name].lasting if group.name in worth else figures_in_words.NOTHING,
                }
                for group in found.groups
            ],
            "moves": say["moves"].format(
                moves=self.say["and"].join(
                    say["move"].format(
                        n=self._count(one.value), before=self._group(one.part), after=self._group(one.other)
                    )
                    for one in found.moves[:MOVES]
                )
                or say["unmoved"]
            ),
            "worth": say["worth"]["margin" if self.shop.margin else "sales"],
            "next_year": say["next_year"],
            "lasting": say["lasting"],
            "worths": worths_in_words.sentences(self.found.lasting, self.shop),
        }

    def _change(self, number: int | None) -> str:
        if number is None:
            return figures_in_words.NOTHING
        return f"+{self._count(number)}" if number > 0 else f"−{self._count(-number)}" if number else "0"

    def _card(self, card: Card) -> dict[str, str]:
        say = self.say["changed"]
        then = card.before and card.before.amount is not None
        return {
            "name": getattr(FIGURES[card.name], self.language).name,
            "now": figures_in_words.written(card.now, self.shop) if card.now else "",
            "then": say["then"].format(then=figures_in_words.written(card.before, self.shop))
            if then and card.before
            else say["none"],
            "arrow": {True: "▲", False: "▼"}.get(card.rises, "") if card.rises is not None else "",
            "news": card.news,
            "judged": say["ordinary"][card.judgement.verdict] if card.judgement else "",
        }

    def _earned(self) -> dict[str, Any]:
        found, say = self.found, self.say["earned"]
        effects_of = [one.results.whole for one in found.shown if one.results and one.results.whole]
        ends = [abs(end) for one in effects_of for end in (one.buyers.interval.low, one.buyers.interval.high)]
        reach = max(ends, default=0.0) or 1.0
        others = found.others
        return {
            **{name: say[name] for name in ("title", "lead", "campaign", "sent", "bought", "held", "points", "note")},
            **{name: say[name] for name in ("cost", "earned", "none")},
            "rows": [self._mailing(one, reach) for one in found.shown],
            "others": {
                "title": say["others"].format(n=self._count(len(found.mailings) - len(found.shown))),
                "sent": self._count(others.sent),
                "cost": self._cost(others.cost_micros),
            }
            if others
            else None,
            "sentences": [
                self.say["sentence"].format(
                    title=one.title(self.language), said=verdicts.sentence(one.results.whole.buyers, self.language)
                )
                for one in found.shown[:2]
                if one.results and one.results.whole
            ],
            "together": self._together(),
        }

    def _together(self) -> dict[str, Any]:
        """All campaigns of the year."""
        of, say = self.found.together, self.results["year"]
        if of is None:
            share = self.shop.holdout.share
            return {"title": "", "said": [say["waiting"] if share else say["unheld"]], "days": "", "rows": []}
        return {
            "title": year_effects_in_words.title(of, self.shop),
            "days": year_effects_in_words.days(of, self.shop),
            "said": year_effects_in_words.sentences(of, self.shop),
            "headings": year_effects_in_words.headings(self.shop),
            "rows": [astuple(row) for row in year_effects_in_words.rows(of, self.shop)],
        }

    def _mailing(self, one: Mailing, reach: float) -> dict[str, Any]:
        row: dict[str, Any] = {
            "title": one.title(self.language),
            "day": long_date(one.on, self.language),
            "run": one.run_id,
            "sent": self._count(one.measures.all.sent),
            "cost": self._cost(one.measures.all.cost_micros),
            "verdict": "",
            "measured": False,
        }
        if one.results is None:
            return row | {"why": self.say["earned"]["waiting"]}
        if one.results.whole is None:
            return row | {"why": self.say["earned"]["unmeasured"]}
        whole = one.results.whole
        of, earned = whole.buyers, whole.earned_cents
        return row | {
            "measured": True,
            "verdict": of.verdict,
            "short": self.results["short"][of.verdict],
            "bought": percent(of.treated.share, self.language),
            "held": percent(of.control.share, self.language),
            "points": verdicts.points(of.difference, self.language),
            "between": f"{verdicts.points(of.interval.low, self.language)} … "
            f"{verdicts.points(of.interval.high, self.language)}",
            "low": 0.5 + of.interval.low / reach / 2,
            "high": 0.5 + of.interval.high / reach / 2,
            "at": 0.5 + of.difference / reach / 2,
            "earned": self._euros(earned[0]) if earned else figures_in_words.NOTHING,
            "earned_between": f"{self._euros(earned[1])} … {self._euros(earned[2])}" if earned else "",
        }

    def _losing(self) -> dict[str, Any]:
        found, say, told = self.found, self.say["losing"], self.found.losses
        slowing = next((card.now for card in found.headlines.cards if card.name == "slowing"), None)
        most = max((one.customers for one in told.reasons), default=1)
        lost = self.say["and"].join(
            say["group"].format(n=self._count(number), group=self._group(name).lower())
            for name, number in sorted(found.lost.items(), key=lambda one: -one[1])
        )
        return {
            "title": say["title"],
            "lost": say["lost"].format(n=self._count(sum(found.lost.values())), groups=lost)
            if found.lost
            else say["none_lost"],
            "slowing": say["slowing"].format(
                slowing=self._count(slowing.value),
                share=figures_in_words.written(slowing, self.shop),
                cooling=self._count(found.cooling),
            )
            if slowing
            else "",
            "told": say["told"].format(n=self._count(told.told)) if told.reasons else say["nobody"],
            "reasons": [
                {
                    "name": self.reasons[one.reason],
                    "customers": self._count(one.customers),
                    "bar": one.customers / most,
                }
                for one in told.reasons
            ],
            "won_back": say["won_back"].format(
                customers=self._count(told.all.customers),
                came=self._count(told.all.came_back),
                value=self._euros(told.all.cents),
                cost=self._cost(told.all.cost_micros),
            )
            if told.all
            else say["nobody_asked"],
        }

    def _next(self) -> dict[str, Any]:
        say = self.say["next"]
        found = advice(self.found, self.shop, reasons=self.reasons, kinds=self.results["budget"]["kinds"])
        runs = self.say["and"].join(
            say["run"].format(title=title, day=long_date(day, self.language)) for title, day in self._coming()
        )
        return {
            "title": say["title"],
            "advice": [one.text for one in found] or [say["none"]],
            "runs": say["runs"].format(runs=runs) if runs else "",
        }

    def _coming(self) -> list[tuple[str, date]]:
        """The next runs of campaigns that do not run every few days."""
        found = []
        for one in calendars.campaigns():
            first = one.schedule.next_after(self.found.known, self.shop.tz)
            second = first and one.schedule.next_after(first, self.shop.tz)
            if first and (second is None or (second - first).days > calendars.IN_A_ROW):
                titles = {str(language): said for language, said in one.title.items()}
                found.append((titles.get(self.language, one.name), first.astimezone(self.shop.tz).date()))
        return sorted(found, key=lambda one: one[1])[:NEXT]

    def _money(self) -> dict[str, Any]:
        found, say = self.found, self.say["money"]
        year, (least, most) = found.year, found.year.budget.aim
        longest = max(most * 1.6, (year.share or 0.0) * 1.15)
        lines = [say["spent"].format(quarter=self._cost(found.spent_micros), year=self._cost(year.spent_micros))]
        if year.left_micros is not None:
            lines.append(say["left"].format(left=self._cost(year.left_micros)))
        if year.share is not None and year.standing is not None:
            written = {"share": year.share, "least": least, "most": most}
            known = {name: percent(share, self.language) for name, share in written.items()}
            lines.append(self.results["budget"][year.standing].format(**known))
        return {
            "title": say["title"],
            "lines": lines,
            "gauge": {
                "share": year.share / longest,
                "least": least / longest,
                "most": most / longest,
                "least_says": percent(least, self.language),
                "most_says": percent(most, self.language),
                "standing": year.standing,
            }
            if year.share is not None
            else None,
        }

    def _means(self) -> dict[str, Any]:
        found, say = self.found, self.say["means"]
        rule_means = {"segments": self.shop.segments.model_dump(mode="json"), "slowing_down": _slowing()}
        shown = {card.name: card.now is not None and card.now.amount is not None for card in found.headlines.cards}
        defined = [FIGURES[name].said(self.language, rule_means) for name in MEANT if shown.get(name, True)]
        columns = {**self.results["columns"], "effect": self.results["effect"], "extra_orders": self.results["extra"]}
        return {
            "title": say["title"],
            "figures": [
                *([one.name, one.formula] for one in defined),
                *([columns[name], _sentence(self.results["definitions"][name])] for name in MEASURED),
            ],
            "rules": say["rules"].format(
                rule=found.rule,
                snapshot=found.snapshot_id,
                known=long_date(found.known.astimezone(self.shop.tz).date(), self.language),
                measures=measures.RULES_VERSION,
                effects=effects.VERSION,
                credits=measures.VERSIONS["credits"],
                budget=budgets.RULES_VERSION,
                losses=losses.RULES_VERSION,
            ),
        }


def _sentence(said: str) -> str:
    return f"{said[0].upper()}{said[1:].rstrip('.')}."


def _slowing() -> dict[str, Any]:
    from habitue.trends import SLOWING

    return dict(SLOWING)


def _verdict(one: Mailing) -> str | None:
    return one.results.whole.buyers.verdict if one.results and one.results.whole else None


def told(found: Quarterly, shop: Shop, language: Language) -> dict[str, Any]:
    """What the report says in that language: see `Told.content`."""
    return Told(found, shop, language).content()
