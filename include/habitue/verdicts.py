"""A run's results in plain words: whether anything was shown, how much it may be, and what would be needed to tell.

The same sentences stand on the page, in the report, in the terminal and in the CSV.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from babel.numbers import format_decimal

from habitue import effects
from habitue.calls import write_table
from habitue.effects import Effect, MeanEffect
from habitue.measures import FIGURES, KEYS, VERSIONS, Contrast, Measures, Results
from habitue.report import WEB, Words, count
from habitue.shop import Shop, read_yaml
from habitue.texts import LOCALES, money, typography

__all__ = ["definition", "result_words", "rows", "sentence", "sentences", "write_all_csv", "write_csv"]


@cache
def result_words(language: str) -> Words:
    """The words of results, set as a printer would."""

    def typeset(content: Any) -> Any:
        if isinstance(content, dict):
            return {key: typeset(value) for key, value in content.items()}
        if isinstance(content, list):
            return [typeset(value) for value in content]
        return typography(content, language)

    return dict(typeset(read_yaml(WEB / f"results.{language}.yaml")))


def definition(figure: str, language: str) -> str:
    """What a figure means: one of FIGURES, or effect, lift, extra_orders, detectable, needed, cost_per_extra_order."""
    return str(result_words(language)["definitions"][figure])


def points(share: float, language: str) -> str:
    """A difference of shares in points, signed: `+2,7`."""
    return format_decimal(round(100 * share, 1), format="+#,##0.0;−#,##0.0", locale=LOCALES[language])


def chance(p: float, language: str) -> str:
    """`0,021`; never 0."""
    return format_decimal(max(round(p, 3), 0.001), format="0.000", locale=LOCALES[language])


def sentence(effect: Effect | None, language: str, *, of: str = "verdicts", **known: str) -> str:
    """Whether an effect was shown, with its interval, its p, and what could have been seen. `of`: in which of the words
    of results, a run's or `year_verdicts`; `known`: what these name beside it."""
    say = result_words(language)[of]
    if effect is None:
        return str(say["no_control"])
    seen = say["blind"]
    if effect.detectable is not None:
        least = format_decimal(round(100 * effect.detectable, 1), format="0.0", locale=LOCALES[language])
        seen = say["seen"].format(detectable=least)
    between = effect.extra_interval
    said = str(
        say[effect.verdict].format(
            extra=count(round(effect.extra), language),
            low=count(round(between.low), language),
            high=count(round(between.high), language),
            points=points(effect.difference, language),
            points_low=points(effect.interval.low, language),
            points_high=points(effect.interval.high, language),
            p=chance(effect.p, language),
            needed=count(effects.rounded(effect.needed), language) if effect.needed else "",
            seen=seen,
            **known,
        )
    )
    return f"{said} {result_words(language)['edge']}" if effect.on_the_edge else said


def sentences(results: Results | None, shop: Shop, *, language: str | None = None) -> list[str]:
    """A run's results, a sentence each; the first says whether anything was shown."""
    language = language or shop.language
    say = result_words(language)
    if results is None:
        return [str(say["none"])]
    said = [sentence(results.whole.buyers if results.whole else None, language)]
    if results.whole is not None:
        said += _of_money(results.whole, shop, language)
    if results.shop is not None:
        said.append(f"{say['shop']}: {sentence(results.shop.buyers, language)}")
    if results.trial is not None:
        trial, told = results.trial, say["trial"]
        said.append(
            told["early"] if trial.early else told["winner"].format(arm=trial.winner) if trial.winner else told["none"]
        )
    if results.first is not None:
        before = " ".join(sentences(results.first, shop, language=language)[:3])
        said.append(say["restated"].format(snapshot=results.first.snapshot_id, said=before))
    said.append(say["known"].format(until=results.until.isoformat(), snapshot=results.snapshot_id))
    return said


def _of_money(whole: Contrast, shop: Shop, language: str) -> Iterator[str]:
    say = result_words(language)
    for name, mean in (("money", whole.revenue), ("margin", whole.margin)):
        if mean is not None and whole.buyers.verdict != "too_early":
            between = mean.extra_interval
            yield say[name].format(
                extra=money(round(mean.extra), shop.currency, language),
                low=money(round(between.low), shop.currency, language),
                high=money(round(between.high), shop.currency, language),
                p=chance(mean.p, language),
            )
    if whole.cost_per_extra_order is not None:
        yield say["cost"].format(each=money(whole.cost_per_extra_order, shop.currency, language))


CREDITED = ("responses", "orders", "revenue_cents")
"""Figures that late news restate."""


def restated(measures: Measures, shop: Shop, *, language: str | None = None) -> str | None:
    """What was credited when the window had closed, where late returns and late news have changed it since."""
    first, language = measures.first, language or shop.language
    if first is None:
        return None
    return str(result_words(language)["credited_first"]).format(
        responses=count(first.responses, language),
        orders=count(first.orders, language),
        revenue=money(first.revenue_cents, shop.currency, language),
    )


def rows(measures: Measures, results: Results | None) -> list[dict[str, Any]]:
    """Every figure as a row: what, of which part, its value and interval, the version of its rules."""
    found = [
        {
            **{key: row[key] for key in KEYS},
            "figure": figure,
            "value": row[figure],
            "rules": f"measures {VERSIONS['measures']}, credits {VERSIONS['credits']}",
        }
        for row in measures.rows()
        for figure in (*FIGURES, "margin_cents")
        if row[figure] is not None
    ]
    if measures.first is not None:
        found += [
            {**dict.fromkeys(KEYS, "all"), "arm": "", "figure": figure, "restated": "first"}
            | {"value": getattr(measures.first, figure), "rules": f"credits {VERSIONS['credits']}"}
            for figure in CREDITED
        ]
    for state, result in (("", results), ("first", results.first if results else None)):
        if result is not None:
            found += [row | {"restated": state} for row in _effect_rows(result)]
    return found


def _effect_rows(results: Results) -> Iterator[dict[str, Any]]:
    parts = [
        *((part, "all") for part in (results.whole, results.shop) if part is not None),
        *((part, "segment") for part in results.segments),
        *((part, "channel") for part in results.channels),
        *((part, "arm") for part in results.arms),
    ]
    for part, key in parts:
        known = {"arm": "shop"} if part.name == "shop" else {key: part.name} if key in KEYS else {}
        for row in contrast_rows(part, results.snapshot_id):
            yield row | known


def contrast_rows(part: Contrast, snapshot_id: str) -> Iterator[dict[str, Any]]:
    """Of one contrast, as one customer base told it."""
    where = {"segment": "all", "channel": "all", "template": "all", "arm": "", "snapshot": snapshot_id}
    for figure, told in _effect_figures(part):
        yield {**where, "figure": figure, "rules": VERSIONS["effects"], **told}


def _effect_figures(part: Contrast) -> Iterator[tuple[str, Mapping[str, Any]]]:
    buyers = part.buyers
    yield "effect", {"value": buyers.difference, **asdict(buyers.interval), "p": buyers.p, "verdict": buyers.verdict}
    yield "extra_orders", {"value": buyers.extra, **asdict(buyers.extra_interval)}
    for figure, value in (
        ("lift", buyers.lift),
        ("detectable", buyers.detectable),
        ("needed", buyers.needed),
        ("cost_per_extra_order", part.cost_per_extra_order),
    ):
        if value is not None:
            yield figure, {"value": value}
    for figure, mean in (("extra_revenue_cents", part.revenue), ("extra_margin_cents", part.margin)):
        if mean is not None:
            yield figure, _of_mean(mean)


def _of_mean(mean: MeanEffect) -> Mapping[str, Any]:
    return {"value": mean.extra, **asdict(mean.extra_interval), "p": mean.p}


COLUMNS = (*KEYS, "figure", "value", "low", "high", "p", "verdict", "snapshot", "restated", "rules", "definition")


def write_csv(out: Path, measures: Measures, results: Results | None, *, shop: Shop) -> int:
    """`rows` with what each figure means, as a spreadsheet reads it; whole or not at all. Returns the rows."""
    return write_table(out, COLUMNS, _lines(rows(measures, results), shop), shop=shop)


def write_all_csv(out: Path, told: Iterable[tuple[str, Iterable[Mapping[str, Any]]]], *, shop: Shop) -> int:
    """The rows of several runs, each line with its run's name."""
    lines = ([name, *line] for name, several in told for line in _lines(several, shop))
    return write_table(out, ("run", *COLUMNS), lines, shop=shop)


def _lines(told: Iterable[Mapping[str, Any]], shop: Shop) -> Iterator[list[str]]:
    known = result_words(shop.language)["definitions"]
    for row in told:
        full = {"definition": known.get(row["figure"], known["effect"]), **row}
        yield [_plain(full.get(name)) for name in COLUMNS]


def _plain(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
