"""A rehearsal to look at: a page of its own with samples, and tables for the terminal. Figures first, sums as sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel.numbers import format_decimal

from habitue.accounts import crossed, totals
from habitue.campaigns import find_campaign
from habitue.costs import CostLine
from habitue.house import House
from habitue.plans import Threshold
from habitue.rehearsals import Change, Comparison, Rehearsal, Say, rehearsed
from habitue.report import (
    Balance,
    clock_time,
    cost,
    count,
    data_uri,
    in_order,
    largest_first,
    rule_words,
    run_balances,
    web_environment,
    words,
)
from habitue.samples import Sample, sampled, samples
from habitue.senders import replace_file
from habitue.shop import Shop
from habitue.tables import Channel, Segment
from habitue.texts import LOCALES, long_date, price

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def page_path(house: House, found: Rehearsal) -> Path:
    """Where a rehearsal's page lies unless somebody says otherwise."""
    return house.out / "rehearsals" / f"{found.campaign}-{found.on}.html"


def rehearse_and_show(
    house: House, campaign_name: str, *, on: date, at: datetime, out: Path | None = None, say: Say = lambda _: None
) -> tuple[Rehearsal, Path]:
    """Rehearses the campaign's run of that date and writes its page to `out`; nothing else is written."""
    with rehearsed(house, campaign_name, on=on, at=at, say=say) as (connection, found):
        campaign = find_campaign(campaign_name, house.shop)
        desk, people = sampled(house, connection, found, campaign)
    say("making the samples")
    path = out or page_path(house, found)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, render_rehearsal(found, list(samples(desk, people)), shop=house.shop).encode())
    return found, path


def render_rehearsal(found: Rehearsal, shown: Sequence[Sample], *, shop: Shop) -> str:
    """The page as HTML, in the shop's language."""
    language = shop.language
    balances = rehearsal_balances(found, language)
    compared = [_compared(one, language) for one in (found.already, found.before) if one is not None]
    gaps = sum(bool(balance.gap) for balance in [*balances, *(sum_ for one in compared for sum_ in one["balances"])])
    channels = in_order(totals(found.messages, "channel"), Channel)
    return (
        web_environment(shop)
        .get_template("rehearsal.html.j2")
        .render(
            found=found,
            title=found.title.get(language) or found.campaign,
            snapshot=date.fromisoformat(found.snapshot_id),
            figures=_figures(found, channels),
            groups=_groups(found),
            channels=channels,
            totals=totals(found.messages, "channel"),
            costs=[(one, [_line(line, shop.currency, language) for line in one.lines]) for one in found.costs],
            holdout=totals(found.holdout, "scope", "customers"),
            reasons=_reasons(found, language),
            exclusions=_exclusions(found, language),
            excluded_groups=in_order(totals(found.exclusions, "segment", "customers"), Segment),
            excluded_totals=totals(found.exclusions, "segment", "customers"),
            compared=compared,
            window=window_words(found, shop, language),
            balances=balances,
            gaps=gaps,
            samples=[
                (channel, [_shown(one, language) for one in group])
                for channel, group in groupby(shown, key=lambda one: one.channel)
            ],
        )
    )


def rehearsal_balances(found: Rehearsal, language: str) -> list[Balance]:
    """The sums of a run card that a plan has: audience, channels, rules, arms, both holdouts, cost."""
    as_run = {
        "audience": found.audience,
        "planned": found.planned,
        "held_out": found.held_out,
        "excluded": found.excluded,
        "cost_micros": found.cost_micros,
        "by_segment": crossed(found.messages, "segment", "channel"),
        "by_arm": crossed(found.messages, "arm", "channel"),
        "cost_by_channel": {one.channel: one.cost_micros for one in found.costs},
        "held_out_by": totals(found.holdout, "scope", "customers"),
        "exclusions": totals(found.exclusions, "rule", "customers"),
    }
    return run_balances(as_run, language)


def _figures(found: Rehearsal, channels: Sequence[str]) -> list[tuple[str, int, bool]]:
    numbers = totals(found.messages, "channel")
    return [
        ("audience", found.audience, False),
        ("planned", found.planned, False),
        *((channel, numbers[channel], True) for channel in channels),
        ("excluded", found.excluded, False),
        ("held_out", found.held_out, False),
    ]


def _groups(found: Rehearsal) -> list[dict[str, Any]]:
    """A row for each group and arm, in order: its messages by channel, and what they cost."""
    rows: dict[tuple[str, str | None], dict[str, Any]] = {}
    for one in found.messages:
        row = rows.setdefault(
            (one.segment, one.arm), {"segment": one.segment, "arm": one.arm, "channels": {}, "cost": 0}
        )
        row["channels"][one.channel] = row["channels"].get(one.channel, 0) + one.messages
        row["cost"] += one.cost_micros
    order = in_order({segment for segment, _ in rows}, Segment)
    return [rows[key] for key in sorted(rows, key=lambda key: (order.index(key[0]), key[1] or ""))]


def _line(line: CostLine, currency: str, language: str) -> dict[str, Any]:
    """A line of the bill in words."""
    known = {
        "grams": format_decimal(line.grams or 0, locale=LOCALES[language]),
        "minutes": format_decimal(line.minutes or 0, locale=LOCALES[language]),
    }
    return {
        "what": words(language)["rehearsal"]["costs"][line.part].format(**known),
        "number": line.number,
        "each": price(line.each_micros, currency, language),
        "cost_micros": line.cost_micros,
    }


def _reasons(found: Rehearsal, language: str) -> list[str]:
    """Why persons must say yes: of recipients and of cost, the highest limit passed."""
    highest = {limit.what: limit for limit in sorted(found.thresholds, key=lambda limit: limit.persons)}
    return [_reason(limit, found.currency, language) for limit in highest.values()]


def _reason(limit: Threshold, currency: str, language: str) -> str:
    """Why a person must say yes."""
    say = words(language)["rehearsal"]
    value, above = (
        cost(number, currency, language) if limit.what == "cost_micros" else count(number, language)
        for number in (limit.value, limit.above)
    )
    told = str(say["why"][limit.what].format(value=value, above=above))
    return f"{told} {say['second']}" if limit.persons > 1 else told


def _exclusions(found: Rehearsal, language: str) -> list[tuple[str, str, dict[str, int], int]]:
    """Each rule, what it means, its customers by group and in all; the one that takes most first."""
    by_rule = crossed(found.exclusions, "rule", "segment", "customers")
    sums = totals(found.exclusions, "rule", "customers")
    return [(*rule_words(rule, language), by_rule[rule], number) for rule, number in largest_first(sums)]


def _compared(one: Comparison, language: str) -> dict[str, Any]:
    then, now = next((change.then, change.now) for change in one.totals if change.name == "planned")
    say = words(language)["rehearsal"]
    stayed, planned = (say["stayed"], one.stayed), words(language)["run"]["planned"]
    return {
        "run": one,
        "parts": list(_parts(one, language)),
        "balances": [
            Balance(say["then"], (planned, then), (stayed, (say["gone"], one.gone))),
            Balance(say["now"], (planned, now), (stayed, (say["joined"], one.joined))),
        ],
    }


def _parts(one: Comparison, language: str) -> Iterator[tuple[str, list[tuple[str, Change, bool]]]]:
    """What is compared, part by part: the title, and (name, change, whether it is money) of each line."""
    known = words(language)
    say = known["rehearsal"]

    def ordered(changes: Iterable[Change], order: Iterable[str], names: Mapping[str, str]) -> list[Any]:
        found = {change.name: change for change in changes}
        return [(names.get(name, name), found[name], False) for name in in_order(found, order)]

    yield (
        say["parts"]["totals"],
        [(say["totals"][change.name], change, change.name == "cost_micros") for change in one.totals],
    )
    yield say["parts"]["channels"], ordered(one.channels, Channel, known["channels"])
    yield say["parts"]["segments"], ordered(one.segments, Segment, known["segments"])
    rules = sorted(one.rules, key=lambda change: (-max(change.then, change.now), change.name))
    yield say["parts"]["rules"], [(rule_words(change.name, language)[0], change, False) for change in rules]


def _shown(one: Sample, language: str) -> dict[str, Any]:
    group = words(language)["segments"].get(one.segment, one.segment)
    arm = [f"{words(language)['run']['arm'].lower()} {one.arm}"] if one.arm else []
    return {
        "caption": " · ".join([group, *arm, one.language]),
        "picture": data_uri(one.picture) if one.picture else None,
        "refused": rule_words(one.refused, language)[0] if one.refused else None,
        "subject": one.subject,
        "html": one.html,
        "text": one.text,
    }


def rehearsal_table(found: Rehearsal, *, shop: Shop, language: str = "en") -> RenderableType:
    """The rehearsal for the terminal: numbers and rules, no samples."""
    from rich.console import Group
    from rich.markup import escape

    known = words(language)
    say = known["rehearsal"]
    title = found.title.get(language, found.campaign)  # type: ignore[call-overload]
    lines = [f"[bold]{escape(say['title'].format(title=title))}[/bold] ({escape(found.run_id)})"]
    lines += [escape(line) for line in _notes(found, shop, language)]
    parts: list[RenderableType] = ["\n".join(lines), _sums_table(found, language), _group_table(found, language)]
    parts += [_cost_table(found, language)] if found.costs else []
    parts += [_rule_table(found, language)] if found.exclusions else []
    for one in (found.already, found.before):
        if one is not None:
            moment = clock_time(one.planned_at.astimezone(shop.tz), language)
            parts.append(escape(say["beside"].format(run=one.run_id, moment=moment, state=say["states"][one.state])))
            parts.append(_change_table(one, found.currency, language))
    if found.before is None:
        parts.append(escape(say["first"]))
    return Group(*(line for part in parts for line in (part, "")))


def _notes(found: Rehearsal, shop: Shop, language: str) -> Iterator[str]:
    """What is to be known before the numbers: the base, the window, who must say yes, what is planned already."""
    say = words(language)["rehearsal"]
    lead = {
        "date": long_date(found.on, language),
        "snapshot": long_date(date.fromisoformat(found.snapshot_id), language),
    }
    yield say["lead"].format(**lead)
    if found.too_old:
        yield say["too_old"].format(days=found.snapshot_age_days)
    if found.too_slow:
        yield say["slow"].format(days=found.mail_days, window=found.window_days)
    if found.already:
        planned_at = clock_time(found.already.planned_at.astimezone(shop.tz), language)
        yield say["already"].format(moment=planned_at, state=say["states"][found.already.state])
    yield f"{say['leaves']} {window_words(found, shop, language)}."
    needed = say["approvals"][found.approvals_needed]
    yield " ".join([needed, "; ".join(_reasons(found, language))]).strip()


def window_words(found: Rehearsal, shop: Shop, language: str) -> str:
    """`from 1 October 2026 to 7 October 2026, within 08:00-20:00`; messages may still leave on the last day."""
    say = words(language)["rehearsal"]
    last = (found.leaves_before.astimezone(shop.tz) - timedelta(seconds=1)).date()
    days = say["window"].format(first=long_date(found.leaves_from, language), last=long_date(last, language))
    return f"{days}, {say['hours'].format(hours=found.leaves_hours)}" if found.leaves_hours else str(days)


def _plain_table(*headings: str) -> Table:
    """A table whose first column is words and whose others are numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        # On a narrow terminal headings give way; words and numbers stay whole.
        table.add_column(heading, justify="right" if place else "left", min_width=8 if place else 28)
    return table


def _sums_table(found: Rehearsal, language: str) -> Table:
    from rich.markup import escape

    table = _plain_table("", "")
    for balance in rehearsal_balances(found, language)[:1]:
        parts = " + ".join(f"{count(number, language)} {name}" for name, number in balance.parts)
        sign = "" if balance.gap == 0 else "[bold red]✗ [/bold red]"
        table.add_row(escape(f"{balance.whole[0]} = {parts}"), f"{sign}{count(balance.whole[1], language)}")
    scopes = totals(found.holdout, "scope", "customers")
    for scope in scopes if "shop" in scopes else ():
        table.add_row(f"  {words(language)['run']['scopes'][scope]}", count(scopes[scope], language))
    return table


def _group_table(found: Rehearsal, language: str) -> Table:
    known = words(language)
    channels = in_order(totals(found.messages, "channel"), Channel)
    names = [known["channels"].get(channel, channel) for channel in channels]
    table = _plain_table(known["rehearsal"]["terminal"]["group"], *names, known["page"]["total"], known["run"]["cost"])
    for row in _groups(found):
        arm = f" · {known['run']['arm'].lower()} {row['arm']}" if row["arm"] else ""
        numbers = [row["channels"].get(channel, 0) for channel in channels]
        table.add_row(
            known["segments"].get(row["segment"], row["segment"]) + arm,
            *(count(number, language) for number in [*numbers, sum(numbers)]),
            price(row["cost"], found.currency, language),
        )
    sums = totals(found.messages, "channel")
    whole = [*(sums[channel] for channel in channels), found.planned]
    table.add_row(
        f"[bold]{known['page']['total']}[/bold]",
        *(count(number, language) for number in whole),
        price(found.cost_micros, found.currency, language),
    )
    return table


def _cost_table(found: Rehearsal, language: str) -> Table:
    say = words(language)["rehearsal"]["costs"]
    table = _plain_table(say["title"], say["number"], say["each"], say["cost"])
    for one in found.costs:
        for part in one.lines:
            line = _line(part, found.currency, language)
            written = price(line["cost_micros"], found.currency, language)
            table.add_row(line["what"], count(line["number"], language), line["each"], written)
    table.add_row(
        f"[bold]{words(language)['page']['total']}[/bold]", "", "", price(found.cost_micros, found.currency, language)
    )
    if found.budget_micros is not None and found.budget_left_micros is not None:
        table.add_row(say["budget"], "", "", price(found.budget_micros, found.currency, language))
        table.add_row(say["left"], "", "", price(found.budget_left_micros, found.currency, language))
    return table


def _rule_table(found: Rehearsal, language: str) -> Table:
    """Rules alone: five groups beside them are too wide for a terminal, and stand on the page."""
    from rich.markup import escape

    known = words(language)
    table = _plain_table(known["rehearsal"]["terminal"]["rule"], known["page"]["total"])
    for title, _, _, number in _exclusions(found, language):
        table.add_row(escape(title), count(number, language))
    return table


def _change_table(one: Comparison, currency: str, language: str) -> Table:
    from rich.markup import escape

    say = words(language)["rehearsal"]
    table = _plain_table(say["differences"], say["then"], say["now"], say["change"])
    for title, lines in _parts(one, language):
        table.add_row(f"[bold]{escape(title)}[/bold]")
        for name, change, money in lines:

            def written(number: int, money: bool = money) -> str:
                return cost(number, currency, language) if money else count(number, language)

            table.add_row(
                f"  {escape(name)}", written(change.then), written(change.now), arrow(change, written, say["same"])
            )
    table.add_row(f"[bold]{escape(say['customers'])}[/bold]")
    for name, number in (("stayed", one.stayed), ("joined", one.joined), ("gone", one.gone)):
        table.add_row(f"  {say[name]}", "", count(number, language), "")
    return table


def arrow(change: Change, written: Callable[[int], str], same: str) -> str:
    """`▲ 12`, `▼ 3`, or the word for no change."""
    off = change.now - change.then
    return f"{'▲' if off > 0 else '▼'} {written(abs(off))}" if off else same
