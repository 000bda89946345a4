"""What a run changed, on its page: the effect against the holdout, what was credited, and the rows behind each figure.

The figures are those of `measures`, the sentences those of `verdicts`: here they are only laid out. A large run's are
those that were counted last, and say of when they are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask

from habitue import measures, overview, response_rows, verdicts
from habitue.calls import write_table
from habitue.kinds import Audited
from habitue.measures import FIGURES, FIRST_ID, KEYS, VERSIONS, Contrast, Counts, Results
from habitue.texts import money
from habitue.verdicts import result_words
from habitue.web.ops.shell import Here, Role, Visit, allowed, as_read_in, page
from habitue.web.pages import Page

COLUMNS = (
    *("sent", "delivered", "returned", "reached", "human_clicks", "machine_clicks", "unsubscribes", "complaints"),
    *("responses", "orders", "revenue_cents", "margin_cents", "cost_micros"),
)
"""Figures that the page has room for; the CSV has all. Those that are 0 throughout are left out."""
ALWAYS = frozenset(("sent", "responses", "orders", "revenue_cents", "cost_micros"))
A_PAGE = 200

Word = Annotated[str, Query(max_length=120)]

looking = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])
digging = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS)])


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison as the page shows it. `part`: `whole`, `segment`, `channel`, `arm` or `shop`."""

    part: str
    name: str
    of: Contrast


def known_of(here: Visit, run_id: str) -> dict[str, Any]:
    """What the section needs: see results.html.j2."""
    counted = measures.latest(here.house.engine, run_id, at=here.at)
    found = measures.results_of(here.house.engine, run_id, known=counted.known, counted=counted)
    shop = as_read_in(here.shop, here.language)
    said = verdicts.sentences(found, shop, language=here.language)
    compared = rows_of(found) if found else []
    return {
        "say": result_words(here.language),
        "versions": VERSIONS,
        "found": found,
        "said": said,
        "compared": compared,
        "credited_first": verdicts.restated(counted, shop, language=here.language),
        "reach": max((abs(end) for one in compared for end in _ends(one.of)), default=0.0),
        "counted_parts": counted,
        "cuts_of_results": [key for key in KEYS if len([one for one in counted.by(key) if one]) > 1] or ["channel"],
        "columns": [name for name in COLUMNS if name in ALWAYS or _amount(counted.all, name, counted.gross)],
        "written": lambda counts, name: _written(here, counts, name, counted.gross),
        "amount": lambda counts, name: _amount(counts, name, counted.gross),
        "behind": lambda name, **part: behind_url(here, run_id, name, part),
        "points": lambda share: verdicts.points(share, here.language),
        "cents": lambda cents: money(round(cents), here.shop.currency, here.language),
    }


def rows_of(found: Results) -> list[Row]:
    """All comparisons, the whole run first."""
    parts = (
        ("whole", (found.whole,)),
        ("shop", (found.shop,)),
        ("segment", found.segments),
        ("channel", found.channels),
        ("arm", found.arms),
    )
    return [Row(part, one.name, one) for part, several in parts for one in several if one is not None]


def _ends(of: Contrast) -> tuple[float, float]:
    return of.buyers.interval.low, of.buyers.interval.high


def _amount(counts: Counts, name: str, gross: float | None) -> int | None:
    return counts.margin_cents(gross) if name == "margin_cents" else int(getattr(counts, name))


def _written(here: Visit, counts: Counts, name: str, gross: float | None) -> str:
    from habitue.report import cost, count

    value = _amount(counts, name, gross)
    if value is None:
        return ""
    if name == "cost_micros":
        return cost(value, here.shop.currency, here.language)
    return money(value, here.shop.currency, here.language) if name.endswith("_cents") else count(value, here.language)


def behind_url(here: Visit, run_id: str, figure: str, part: Mapping[str, str]) -> str | None:
    """Where the rows behind a figure stand; None for who may not see them, and where a figure has none of its own."""
    figure = "revenue_cents" if figure == "margin_cents" else figure
    if here.visitor.role is not Role.OPS or figure not in FIGURES:
        return None
    return f"{here.url('runs', run_id, 'behind', figure)}?{urlencode(part)}".rstrip("?")


@looking.get("/runs/{run_id}/results")
def results(run_id: str, here: Here) -> Response:
    line = overview.heading(here.house.engine, run_id)
    return page(here, "results_page.html.j2", area="campaigns", wide=True, line=line, **known_of(here, run_id))


@looking.get("/runs/{run_id}/results/csv")
def file(run_id: str, here: Here) -> Response:
    """Every figure with its definition and its rules. Nothing personal is in it."""
    counted = measures.latest(here.house.engine, run_id, at=here.at)
    found = measures.results_of(here.house.engine, run_id, known=counted.known, counted=counted)
    path = temporary()
    verdicts.write_csv(path, counted, found, shop=as_read_in(here.shop, here.language))
    return sent(path, f"results-{run_id.replace(':', '-')}.csv")


@digging.get("/runs/{run_id}/behind/{figure}")
def behind(
    run_id: str,
    figure: str,
    here: Here,
    segment: Word = "",
    channel: Word = "",
    template: Word = "",
    arm: Word | None = None,
    after: UUID = FIRST_ID,
    before: UUID | None = None,
    download: bool = False,
) -> Response:
    """The messages that a figure counts, by number; what they sum up to is the figure."""
    if figure not in FIGURES:
        raise HTTPException(404, f"there is no figure {figure[:40]} of a run")
    line = overview.heading(here.house.engine, run_id)
    part = {"segment": segment, "channel": channel, "template": template} | ({} if arm is None else {"arm": arm})
    known = measures.known_at(here.house.engine, run_id, at=here.at)
    asked: dict[str, Any] = {"known": known, "segment": segment, "channel": channel, "template": template, "arm": arm}
    titles = result_words(here.language)["behind"]
    if download:
        path = temporary()
        cells = (list(row.values()) for row in measures.every_row(here.house.engine, run_id, figure, **asked))
        number = write_table(path, [titles[name] for name in ROW], cells, shop=as_read_in(here.shop, here.language))
        here.note(Audited.EXPORTED, subject=f"{figure} of {run_id}", rows=number)
        return sent(path, f"{figure}-{run_id.replace(':', '-')}.csv")
    found = measures.behind(here.house.engine, run_id, figure, after=after, before=before, most=A_PAGE + 1, **asked)
    more = len(found) > A_PAGE
    rows = found[:A_PAGE] if before is None else found[-A_PAGE:]
    earlier, later = (after != FIRST_ID, more) if before is None else (more, True)
    here.note(Audited.VIEWED, subject=f"{figure} of {run_id}", rows=len(rows))
    given = {name: value for name, value in part.items() if value or name == "arm"}
    here_again = here.url("runs", run_id, "behind", figure)
    return page(
        here,
        "behind.html.j2",
        area="campaigns",
        wide=True,
        line=line,
        figure=figure,
        say=result_words(here.language),
        titles=titles,
        part=given,
        rows=rows,
        earlier=f"{here_again}?{urlencode({**given, 'before': rows[0]['message_id']})}" if rows and earlier else None,
        later=f"{here_again}?{urlencode({**given, 'after': rows[-1]['message_id']})}" if rows and later else None,
        download=f"{here_again}?{urlencode({**given, 'download': 'true'})}",
        cents=lambda cents: money(cents, here.shop.currency, here.language),
    )


ROW = (
    *("message_id", "customer_id", "segment", "channel", "template", "arm", "state", "orders"),
    *("sold_cents", "returned_cents", "cost_micros"),
)
"""The columns of `measures.behind`."""


@digging.get("/runs/{run_id}/responses")
def responses(
    run_id: str,
    here: Here,
    side: Word = "written",
    segment: Word = "",
    channel: Word = "",
    arm: Word = "",
    bought: bool = False,
    skipped: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
    download: bool = False,
) -> Response:
    """The customers behind the effect, by number: everyone of one side, and what they bought within the window."""
    line = overview.heading(here.house.engine, run_id)
    if side not in response_rows.SIDES:
        raise HTTPException(404, "there is no such side")
    wanted = response_rows.Wanted(side, segment, channel, arm, bought)
    found = response_rows.read(
        here.house.out / "runs", run_id, wanted, most=None if download else A_PAGE, skipped=skipped
    )
    if found is None:
        raise HTTPException(404, "no purchases have been gathered for this run yet")
    say = result_words(here.language)
    if download:
        path = temporary()
        titles = [say["behind"][name] for name in response_rows.COLUMNS]
        number = write_table(path, titles, found.rows, shop=as_read_in(here.shop, here.language))
        here.note(Audited.EXPORTED, subject=f"responses {run_id}", rows=number)
        return sent(path, f"responses-{run_id.replace(':', '-')}.csv")
    here.note(Audited.VIEWED, subject=f"responses {run_id}", rows=len(found.rows))
    part = {"side": side, "segment": segment, "channel": channel, "arm": arm}
    given = {name: value for name, value in part.items() if value} | ({"bought": "true"} if bought else {})
    return page(
        here,
        "responses.html.j2",
        area="campaigns",
        wide=True,
        line=line,
        say=say,
        side=side,
        part=part,
        columns=response_rows.COLUMNS,
        found=found,
        download=f"?{urlencode({**given, 'download': 'true'})}",
        earlier=f"?{urlencode({**given, 'skipped': max(skipped - A_PAGE, 0)})}" if skipped else None,
        later=f"?{urlencode({**given, 'skipped': skipped + A_PAGE})}" if skipped + A_PAGE < found.customers else None,
        cents=lambda cents: money(cents, here.shop.currency, here.language),
    )


def temporary() -> Path:
    with tempfile.NamedTemporaryFile(prefix="habitue-", suffix=".csv", delete=False) as made:
        return Path(made.name)


def sent(path: Path, name: str) -> Response:
    return FileResponse(path, media_type="text/csv", filename=name, background=BackgroundTask(path.unlink))


routes = APIRouter(route_class=Page)
routes.include_router(looking)
routes.include_router(digging)
