"""The run card: `report.html`, one page that says what became of a customer base, from `summary.json` alone.

The page needs nothing from anywhere: its style is inline, its pictures are data URIs, its charts SVG, and it has no
script. Sums are shown as sums, and one that does not add up is marked.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel.numbers import format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from habitue.errors import TemplateError
from habitue.expectations import DATASETS, contact_rules, load_suite
from habitue.shop import INCLUDE, Shop, read_yaml
from habitue.tables import Channel, Segment, State
from habitue.texts import LOCALES, NARROW, NO_BREAK, long_date, money, price, typography

if TYPE_CHECKING:
    from rich.table import Table

WEB = INCLUDE / "templates" / "web"

Words = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Balance:
    """A sum as it is shown: the whole and its parts, each with the word that names it."""

    title: str
    whole: tuple[str, int]
    parts: tuple[tuple[str, int], ...]
    money: bool = False
    """the numbers are money, in micros"""

    @property
    def gap(self) -> int:
        """What the parts lack; 0 where they add up."""
        return self.whole[1] - sum(number for _, number in self.parts)


@cache
def words(language: str) -> Words:
    """The words of the pages, set as a printer would; TemplateError for a language without a words file."""
    if language not in LOCALES:
        raise TemplateError(f"language {language!r}: add words.{language}.yaml to {WEB.name}/ and a locale to texts.py")
    return dict(_typeset(read_yaml(WEB / f"words.{language}.yaml"), language))


def _typeset(content: Any, language: str) -> Any:
    if isinstance(content, dict):
        return {key: _typeset(value, language) for key, value in content.items()}
    if isinstance(content, list):
        return [_typeset(value, language) for value in content]
    return typography(content, language)


def count(number: int, language: str) -> str:
    """`12 345` (narrow no-break space), `12,345`."""
    return format_decimal(number, locale=LOCALES[language])


def percent(share: float, language: str) -> str:
    """A share of 1 with one decimal: `12,3 %`, `12.3%`."""
    written = format_decimal(round(100 * share, 1) or 0.0, format="#,##0.0", locale=LOCALES[language])
    return f"{written}{NARROW}%" if language == "fr" else f"{written}%"


def cost(micros: int, currency: str, language: str) -> str:
    """Micros as money, to the cent: `1 234,50 €`."""
    return money(round(micros / 10_000), currency, language)


def clock_time(moment: datetime, language: str) -> str:
    """`1er octobre 2026 à 08:00`, `1 October 2026 at 08:00`."""
    return f"{long_date(moment.date(), language)} {words(language)['page']['at']} {moment:%H:%M}"


@cache
def _expected(language: str) -> Mapping[str, str]:
    """What each rule of include/expectations says. A suite's rule says what must hold, and is shown as the rule that
    was broken; contacts.yaml says what is wrong."""
    broken = words(language)["control"]["rule"]
    suites = [rule for dataset in DATASETS for rule in load_suite(dataset).rules]
    said = {rule.name: broken.format(rule=getattr(rule, language)) for rule in suites}
    said |= {name: rule[language] for name, rule in contact_rules().items()}
    return {name: typography(text, language) for name, text in said.items()}


def rule_words(rule: str, language: str) -> tuple[str, str]:
    """A rule's short name and what it says, from the words files, else from include/expectations. A rule that both
    don't know keeps its own name. `unreachable:bad_postcode` is explained by both its parts."""
    name, _, detail = (part.strip() for part in rule.partition(":"))
    short, says = _one_rule(name, language)
    if not detail:
        return short, says
    more, detail_says = _one_rule(detail, language)
    return f"{short}{NO_BREAK if language == 'fr' else ''}: {more.lower()}", detail_says or says


def _one_rule(name: str, language: str) -> tuple[str, str]:
    found = words(language)["rules"].get(name, name)
    if isinstance(found, list):
        return found[0], found[1]
    return str(found), _expected(language).get(name, "")


def base_balances(summary: Mapping[str, Any], language: str) -> list[Balance]:
    """read = kept + left out; kept = published + quarantined + copies of other rows; for each dataset."""
    known = words(language)
    say = known["control"]
    found = []
    for dataset in DATASETS:
        control = summary["control"][dataset]
        title = known["datasets"][dataset]
        left_out = sum(control["left_out"].values())
        quarantined = sum(summary["quarantine"].get(dataset, {}).values())
        copies = summary.get("duplicates", {}).get(dataset, 0)
        found += [
            Balance(
                title,
                (say["read"], control["read"]),
                ((say["kept"], control["kept"]), (say["left_out"].lower(), left_out)),
            ),
            Balance(
                title,
                (say["kept"], control["kept"]),
                (
                    (say["published"], summary["published"][dataset]),
                    (say["quarantine"].lower(), quarantined),
                    *([(say["duplicates"], copies)] if copies else []),
                ),
            ),
        ]
    return found


def run_balances(run: Mapping[str, Any], language: str) -> list[Balance]:
    """audience = planned + held out + excluded; planned = the groups' messages = the states (of a run that there is);
    excluded = the rules; where there are any, planned = the arms, held out = the campaign's and the shop's, cost = the
    channels'."""
    known = words(language)
    say = known["run"]
    planned = (say["planned"], run["planned"])
    by_channel = channel_sums(run["by_segment"])
    return [
        Balance(
            say["sums"]["audience"],
            (known["figures"]["audience"], run["audience"]),
            (planned, (say["held_out"], run["held_out"]), (say["excluded"], run["excluded"])),
        ),
        Balance(
            say["sums"]["channels"],
            planned,
            tuple((known["figures"].get(channel, channel), number) for channel, number in by_channel.items()),
        ),
        *([_states_balance(run["states"], planned, language)] if "states" in run else []),
        Balance(
            say["sums"]["rules"],
            (say["excluded"], run["excluded"]),
            tuple((rule_words(rule, language)[0].lower(), number) for rule, number in largest_first(run["exclusions"])),
        ),
        *_further_balances(run, language),
    ]


def _states_balance(states: Mapping[str, Mapping[str, int]], planned: tuple[str, int], language: str) -> Balance:
    known = words(language)
    by_state: dict[str, int] = {}
    for numbers in states.values():
        for state, number in numbers.items():
            by_state[state] = by_state.get(state, 0) + number
    parts = tuple((known["states"].get(state, state), by_state[state]) for state in in_order(by_state, State))
    return Balance(known["run"]["sums"]["states"], planned, parts)


def _further_balances(run: Mapping[str, Any], language: str) -> Iterator[Balance]:
    say = words(language)["run"]
    if run["by_arm"]:
        arms = tuple((f"{say['arm'].lower()} {arm}", sum(row.values())) for arm, row in sorted(run["by_arm"].items()))
        yield Balance(say["sums"]["arms"], (say["planned"], run["planned"]), arms)
    if "shop" in run["held_out_by"]:
        scopes = tuple((say["scopes"].get(scope, scope), number) for scope, number in run["held_out_by"].items())
        yield Balance(say["sums"]["holdout"], (say["held_out"], run["held_out"]), scopes)
    if run["cost_micros"]:
        yield cost_balance(run["cost_micros"], run["cost_by_channel"], language)


def cost_balance(whole: int, by_channel: Mapping[str, int], language: str) -> Balance:
    """What a run costs = what each of its channels costs."""
    known = words(language)
    parts = [(known["figures"].get(name, name), by_channel[name]) for name in in_order(by_channel, Channel)]
    return Balance(known["run"]["sums"]["cost"], (known["run"]["cost"].lower(), whole), tuple(parts), money=True)


def channel_sums(by_segment: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    channels = {channel for row in by_segment.values() for channel in row}
    return {name: sum(row.get(name, 0) for row in by_segment.values()) for name in in_order(channels, Channel)}


def in_order(names: Iterable[str], order: Iterable[str]) -> list[str]:
    """The names in the order of a closed list, those that it does not know behind."""
    known = [str(name) for name in order]
    return sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name))


def largest_first(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(numbers.items(), key=lambda item: (-item[1], item[0]))


def _group_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a group, the five first: customers and amount with their shares of the five, and a bar's length."""
    segments = summary["segments"]
    five = [name for name in segments if name != Segment.PROSPECT]
    customers = sum(segments[name]["customers"] for name in five)
    amount = sum(segments[name].get("amount_cents") or 0 for name in five)
    longest = max((entry["customers"] for entry in segments.values()), default=0)
    rows = []
    for name in in_order(segments, Segment):
        number, cents = segments[name]["customers"], segments[name].get("amount_cents") or 0
        inside = name in five
        rows.append(
            {
                "name": name,
                "inside": inside,
                "customers": number,
                "amount_cents": cents,
                "share": _share(number, customers) if inside else None,
                "amount_share": _share(cents, amount) if inside else None,
                "each_cents": round(cents / number) if number else 0,
                "bar": 100 * _share(number, longest),
            }
        )
    return rows


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _movement(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """The matrix with every cell, row sums and the shade of each cell (its share of its row), or None at first."""
    movement = summary.get("movement") or {}
    if not movement.get("from"):
        return None
    matrix = movement["matrix"]
    columns = in_order({to for row in matrix.values() for to in row}, Segment)
    rows = []
    for name in in_order(matrix, Segment):
        total = sum(matrix[name].values())
        cells = [(to, matrix[name].get(to, 0), _share(matrix[name].get(to, 0), total)) for to in columns]
        rows.append({"name": name, "cells": cells, "total": total})
    totals = [sum(row.get(to, 0) for row in matrix.values()) for to in columns]
    return {
        "from": date.fromisoformat(movement["from"]),
        "columns": columns,
        "rows": rows,
        "totals": totals,
        "total": sum(totals),
    }


def _run_card(run: Mapping[str, Any], language: str) -> dict[str, Any]:
    by_channel = channel_sums(run["by_segment"])
    states = [
        (channel, [(state, run["states"][channel][state]) for state in in_order(run["states"][channel], State)])
        for channel in in_order(run["states"], Channel)
    ]
    return {
        **run,
        "heading": run["title"].get(language) or run["campaign"],
        "day": date.fromisoformat(run["run_id"].rpartition(":")[2]),
        "state": run["state"] | {"at": moment_of(run["state"]["at"])},
        "approvals": run["approvals"]
        | {"said": [one | {"at": moment_of(one["at"])} for one in run["approvals"]["said"]]},
        "groups": [(name, run["by_segment"][name]) for name in in_order(run["by_segment"], Segment)],
        "by_channel": by_channel,
        "states": states,
        "exclusions": [
            (*rule_words(rule, language), number) for rule, number in largest_first(run["exclusions"]) if number
        ],
        "balances": run_balances(run, language),
    }


def moment_of(written: str | None) -> datetime | None:
    """A moment of summary.json, or None."""
    return datetime.fromisoformat(written) if written else None


def _figures(summary: Mapping[str, Any]) -> list[tuple[str, int, bool]]:
    """The headline: name of the word, number, whether it is a part of the one before. `held`, where it is given, is
    all that the snapshot holds; what was published that night can be a few days of orders only."""
    held = summary.get("held") or summary["published"]
    channels: dict[str, int] = {}
    for run in summary["runs"]:
        for channel, number in channel_sums(run["by_segment"]).items():
            channels[channel] = channels.get(channel, 0) + number
    return [
        ("customers", held["customers"], False),
        ("orders", held["orders"], False),
        ("planned", sum(run["planned"] for run in summary["runs"]), False),
        *((channel, channels[channel], True) for channel in in_order(channels, Channel)),
        ("excluded", sum(run["excluded"] for run in summary["runs"]), False),
        ("held_out", sum(run["held_out"] for run in summary["runs"]), False),
    ]


def _step(step: str, language: str) -> str:
    """`quarterly_letter:2026-10-01` is left as it is; the steps' own names are said in words."""
    return str(words(language)["steps"].get(step, step))


def _thresholds(summary: Mapping[str, Any], shop: Shop) -> list[tuple[str, str]]:
    named = words(shop.language)["thresholds"]
    return [
        (named.get(key, key), _written(key, value, shop))
        for key, value in (summary.get("thresholds") or {}).items()
        if value is not None
    ]


def _written(key: str, value: object, shop: Shop) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if key.endswith("_cents"):
            return money(round(value), shop.currency, shop.language)
        return format_decimal(value, locale=LOCALES[shop.language])
    return str(value)


def data_uri(png: bytes) -> str:
    if not png.startswith(b"\x89PNG\r\n\x1a\n"):
        raise TemplateError("a picture for the run card is no PNG: give write_report() the bytes of PNG files")
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def web_environment(shop: Shop) -> Environment:
    """Jinja2 for the pages in templates/web: data escaped, unknown words are errors, numbers by the shop's language.

    Filters: `n | count`, `share | percent`, `cents | money` (whole units), `micros | cost` (to the cent), `micros |
    price` (to the last digit), `day | day`, `moment | moment` (by the shop's clock). Globals: `shop`, `language`,
    `words`. `page.html.j2` is the shell that pages extend, `macros.html.j2` what they share.
    """
    language = shop.language
    pages = Environment(
        loader=FileSystemLoader(WEB), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters.update(
        count=lambda number: count(number, language),
        percent=lambda share: percent(share, language),
        money=lambda cents: money(100 * round(cents / 100), shop.currency, language),
        cost=lambda micros: cost(micros, shop.currency, language),
        price=lambda micros: price(micros, shop.currency, language),
        two=lambda number: format_decimal(number, format="#,##0.00", locale=LOCALES[language]),
        day=lambda day: long_date(day, language),
        moment=lambda moment: clock_time(moment.astimezone(shop.tz), language),
    )
    pages.globals.update(shop=shop, language=language, words=words(language))
    return pages


def render_report(summary: Mapping[str, Any], *, shop: Shop, pictures: Sequence[tuple[str, bytes]] = ()) -> str:
    """The run card as HTML, in the shop's language; see `write_report`."""
    language = shop.language
    runs = [_run_card(run, language) for run in summary["runs"]]
    balances = base_balances(summary, language)
    gaps = sum(bool(balance.gap) for balance in [*balances, *(one for run in runs for one in run["balances"])])
    return (
        web_environment(shop)
        .get_template("report.html.j2")
        .render(
            summary=summary,
            on=date.fromisoformat(summary["on"]),
            snapshot=date.fromisoformat(summary["snapshot"]),
            already=[_step(step, language) for step in summary.get("already", [])],
            figures=_figures(summary),
            groups=_group_rows(summary),
            thresholds=_thresholds(summary, shop),
            movement=_movement(summary),
            told=_told(summary["told"], shop) if summary.get("told") else None,
            balances=balances,
            reasons=_reasons(summary, language),
            reachable=[(c, summary["reachable"][c]) for c in in_order(summary["reachable"], Channel)],
            problems=[(*rule_words(rule, language), n) for rule, n in largest_first(summary.get("problems") or {})],
            runs=runs,
            gaps=gaps,
            pictures=[(caption, data_uri(png)) for caption, png in pictures],
        )
    )


def _told(told: Mapping[str, Any], shop: Shop) -> dict[str, Any]:
    """The figures of the base, each written as the pages write it, with what it means and what was told at first."""
    from habitue import trends
    from habitue.figures import FIGURES, amount
    from habitue.figures_in_words import amount as written

    _, means = trends.rule_of(shop.segments)
    rows = []
    for one in told["figures"]:
        name = one["name"]
        said = FIGURES[name].said(shop.language, means)
        now, first = ((one[f"{when}value"], one[f"{when}of"]) for when in ("", "first_"))
        rows.append(
            {
                "name": said.name,
                "span": words(shop.language)["told"]["spans"][one["span"]].format(
                    day=long_date(date.fromisoformat(one["ends"]), shop.language)
                ),
                "written": written(name, amount(name, *now), shop),
                "first": written(name, amount(name, *first), shop) if first != now else "",
                "means": typography(f"{said.means} {said.formula}", shop.language),
            }
        )
    return {"rule": told["rule"], "rows": rows}


def _reasons(summary: Mapping[str, Any], language: str) -> list[dict[str, Any]]:
    """Rows left out and rows in quarantine, dataset by dataset, each with its reason; datasets without any are
    passed over."""
    found = []
    for dataset in DATASETS:
        sides = {
            "left_out": summary["control"][dataset]["left_out"],
            "quarantine": summary["quarantine"].get(dataset, {}),
        }
        rows = [
            (side, *rule_words(reason, language), number)
            for side, reasons in sides.items()
            for reason, number in largest_first(reasons)
            if number
        ]
        if rows:
            found.append({"dataset": dataset, "rows": rows})
    return found


def write_report(
    summary: Mapping[str, Any], out: Path, *, shop: Shop, pictures: Sequence[tuple[str, bytes]] = ()
) -> None:
    """Writes `report.html` into the folder `out`, whole or not at all.

    `summary` is what summary.json holds; `pictures` are (caption, PNG bytes), shown at the end. TemplateError for a
    picture that is no PNG.
    """
    page = render_report(summary, shop=shop, pictures=pictures)
    out.mkdir(parents=True, exist_ok=True)
    unfinished = out / ".report.html.part"
    unfinished.write_text(page, "utf-8")
    unfinished.replace(out / "report.html")


def summary_table(summary: Mapping[str, Any], *, language: str = "en") -> Table:
    """What happened, step by step, for the terminal: step, what, number; sums that do not add up in red."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    for title, rows in _steps(summary, language):
        table.add_row(f"[bold]{title}[/bold]", "")
        for what, number, sound in rows:
            table.add_row(f"  {what}", number if sound else f"[bold red]✗ {number}[/bold red]")
        table.add_row("", "")
    return table


def _steps(summary: Mapping[str, Any], language: str) -> Iterator[tuple[str, list[tuple[str, str, bool]]]]:
    from rich.markup import escape

    known = words(language)

    def line(balance: Balance) -> tuple[str, str, bool]:
        parts = " + ".join(f"{count(n, language)} {name}" for name, n in balance.parts) or count(0, language)
        return escape(f"{balance.whole[0]} = {parts}"), count(balance.whole[1], language), balance.gap == 0

    for dataset, balances in zip(DATASETS, _pairs(base_balances(summary, language)), strict=True):
        yield escape(known["datasets"][dataset]), [line(balance) for balance in balances]
    yield (
        escape(known["groups"]["title"]),
        [
            (escape(known["segments"].get(row["name"], row["name"])), count(row["customers"], language), True)
            for row in _group_rows(summary)
        ],
    )
    for run in summary["runs"]:
        files = [(known["files"].get(name, name), count(n, language), True) for name, n in run["files"].items() if n]
        yield (
            escape(f"{run['title'].get(language) or run['campaign']} ({run['run_id']})"),
            [*(line(balance) for balance in run_balances(run, language)[:3]), *files],
        )
    if already := summary.get("already"):
        yield escape(known["page"]["already"]), [(escape(_step(step, language)), "", True) for step in already]


def _pairs(balances: list[Balance]) -> Iterator[list[Balance]]:
    for start in range(0, len(balances), 2):
        yield balances[start : start + 2]
