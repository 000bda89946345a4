"""The call desk, for who runs it: lists and agents, who gets which lines, what came of it, complaints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from habitue import call_board, call_cards, call_desk, complaints
from habitue.call_board import Day
from habitue.kinds import Audited, Disposition, LineStatus, Reason
from habitue.statements import statement
from habitue.web.ops import charts
from habitue.web.ops.desk import LONGEST, call_words
from habitue.web.ops.listing import N_, Column, Filter, Listing
from habitue.web.ops.shell import Here, Role, Visit, allowed, page
from habitue.web.pages import Page, same_origin

if TYPE_CHECKING:
    import altair

routes = APIRouter(route_class=Page)
OPS = [allowed(Role.OPS)]
WRITES = [*OPS, Depends(same_origin)]
FIGURES = [allowed(Role.OPS, Role.MANAGER)]
SPOKEN_FOR_DAYS = 30
"""Whoever dialled within so many days counts as an agent of the desk."""

STATUSES = {
    LineStatus.OPEN: N_("to be called"),
    LineStatus.DONE: N_("done"),
    LineStatus.CLOSED: N_("may not be called"),
    LineStatus.NOT_REACHED: N_("not reached"),
    LineStatus.RELEASED: N_("never tried"),
}
COMPLAINT_STATES = {"late": N_("overdue"), "open": N_("open"), "closed": N_("answered")}


def _said(key: str) -> Any:
    return lambda here, value: call_words(here.language)[key][value]


def _disposition(here: Visit, value: str) -> str:
    return str(call_words(here.language)["dispositions"][value][0])


LINES = Listing(
    "call-list",
    "desk/lines",
    key="message_id",
    title=N_("Lines of the list"),
    columns=(
        Column("rank", N_("Rank"), "count", link=lambda here, row: here.url("desk", "line", str(row["message_id"]))),
        Column("name", N_("Customer"), link=lambda here, row: here.url("customers", row["customer_id"])),
        Column("status", N_("State"), says=lambda here, value: here.say(STATUSES[value])),
        Column("agent", N_("Agent")),
        Column("attempts", N_("Attempts"), "count"),
        Column("disposition", N_("Result"), says=_disposition),
        Column("reason", N_("Reason for leaving"), says=_said("reasons")),
        Column("callback_at", N_("Callback"), "moment"),
        Column("value_cents", N_("Bought in all"), "money"),
    ),
    filters=(
        Filter("status", N_("State"), options=lambda here: [(one, here.say(says)) for one, says in STATUSES.items()]),
        Filter("agent", N_("Agent"), options=lambda here: [(one, one) for one in agents(here)]),
        Filter(
            "disposition", N_("Result"), options=lambda here: [(one, _disposition(here, one)) for one in Disposition]
        ),
        Filter(
            "reason",
            N_("Reason for leaving"),
            options=lambda here: [(one, _said("reasons")(here, one)) for one in Reason],
        ),
    ),
    sort="rank",
)
COMPLAINTS = Listing(
    "complaints",
    "desk/complaints",
    key="complaint_id",
    title=N_("Complaints"),
    columns=(
        Column("name", N_("Customer"), link=lambda here, row: here.url("desk", "complaints", str(row["complaint_id"]))),
        Column("state", N_("State"), says=lambda here, value: here.say(COMPLAINT_STATES[value])),
        Column("due_at", N_("Answer promised by"), "moment"),
        Column("owner", N_("Who answers")),
        Column("about", N_("About")),
        Column("opened_at", N_("Since"), "moment"),
    ),
    filters=(
        Filter("state", N_("State"), options=lambda here: [(k, here.say(v)) for k, v in COMPLAINT_STATES.items()]),
        Filter("owner", N_("Who answers")),
    ),
    sort="due_at",
)


def agents(here: Visit) -> list[str]:
    """By name: those who dialled lately or have lines, and those whom shop.yaml names."""
    since = here.at - timedelta(days=SPOKEN_FOR_DAYS)
    with here.house.engine.connect() as connection:
        known = set(connection.execute(statement("desk/agents"), {"since": since}).scalars())
    named = {one.removeprefix("user:") for one in here.shop.access.agent if one.startswith("user:")}
    return sorted(known | named)


# Lists and agents -------------------------------------------------------------------------------------------------


@routes.get("/desk/board", dependencies=OPS)
def board(here: Here) -> Response:
    found = call_board.board(here.house, here.at)
    days = sorted({day.day for day in found.days}, reverse=True)
    by = {(day.day, day.agent): day for day in found.days}
    names = sorted({day.agent for day in found.days})
    return page(here, "desk_board.html.j2", area="desk", board=found, days=days, agents=names, by=by)


@routes.get("/desk/lists/{run_id}", dependencies=OPS)
def call_list(here: Here, run_id: str, request: Request, moved: Annotated[int, Query(ge=-1)] = -1) -> Response:
    if "as" in request.query_params:
        _list(here, run_id)
        return LINES.download(here, request.query_params, run_id=run_id, at=here.at)
    return show_list(here, run_id, request.query_params, moved=moved)


def show_list(
    here: Visit, run_id: str, asked: Mapping[str, str], *, status: int = 200, moved: int = -1, nothing: bool = False
) -> Response:
    """The list and its lines. `moved`: lines that were just given away; `nothing`: none was left to give."""
    known: dict[str, Any] = {"run_id": run_id, "at": here.at}
    state = _list(here, run_id)
    shown = LINES.show(here, asked, action=here.url("desk", "lists", run_id), **known)
    here.note(Audited.VIEWED, subject=f"call-list {run_id}", rows=len(shown.rows))
    return page(
        here,
        "desk_list.html.j2",
        area="desk",
        status=status,
        list=state,
        shown=shown,
        agents=agents(here),
        moved=moved,
        nothing=nothing,
        run_id=run_id,
    )


@routes.post("/desk/lists/{run_id}/assign", dependencies=WRITES)
def assign_many(
    here: Here,
    run_id: str,
    most: Annotated[int, Form(ge=1, le=100_000)],
    giver: Annotated[str, Form(max_length=80)] = "",
    to: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    """Gives the best open lines of one agent, or nobody's, to another, or back to all."""
    _list(here, run_id)
    known = {"run_id": run_id, "giver": giver or None, "most": most, "at": here.at}
    with here.house.engine.connect() as connection:
        lines = connection.execute(statement("desk/to_assign"), known).scalars().all()
    moved = call_board.assign(here.house, lines, to or None, at=here.at)
    return RedirectResponse(f"{here.url('desk', 'lists', run_id)}?moved={moved}", 303)


@routes.get("/desk/line/{message_id}", dependencies=OPS)
def line(here: Here, message_id: UUID) -> Response:
    """One line, and who may have it."""
    row = _line(here, message_id)
    here.note(Audited.VIEWED, row["customer_id"], subject="call line")
    return page(
        here,
        "desk_line.html.j2",
        area="desk",
        line=row,
        card=call_cards.card(here.house, message_id, here.at),
        agents=agents(here),
        calls=call_words(here.language),
        statuses=STATUSES,
    )


@routes.post("/desk/line/{message_id}/assign", dependencies=WRITES)
def assign_one(here: Here, message_id: UUID, to: Annotated[str, Form(max_length=80)] = "") -> Response:
    _line(here, message_id)
    call_board.assign(here.house, [message_id], to or None, at=here.at)
    return RedirectResponse(here.url("desk", "line", str(message_id)), 303)


@routes.post("/desk/line/{message_id}/release", dependencies=WRITES)
def release(here: Here, message_id: UUID) -> Response:
    """Takes the line out of the hands of who has it, for a page that was left open."""
    holder = _line(here, message_id)["reserved_by"]
    if holder is not None:
        call_desk.release(here.house, message_id, holder, here.at)
    return RedirectResponse(here.url("desk", "line", str(message_id)), 303)


def _list(here: Visit, run_id: str) -> call_board.ListState:
    found = call_board.board(here.house, here.at, run_id=run_id).lists
    if not found:
        raise HTTPException(404, "there is no such call list")
    return found[0]


def _line(here: Visit, message_id: UUID) -> Mapping[str, Any]:
    known = {"message_id": message_id, "at": here.at}
    with here.house.engine.connect() as connection:
        row = connection.execute(statement("desk/line"), known).mappings().one_or_none()
    if row is None:
        raise HTTPException(404, "there is no such line")
    return dict(row)


# What came of it --------------------------------------------------------------------------------------------------


@routes.get("/desk/outcomes", dependencies=FIGURES)
def outcomes(here: Here) -> Response:
    """Figures alone: nobody who was called, and of who called, for a manager, no name."""
    found = call_board.board(here.house, here.at)
    calls = call_words(here.language)
    ended = {name: says[0] for name, says in calls["dispositions"].items()}
    results = [(ended.get(name, here.say("never ended")), n) for name, n in _largest(found.outcomes)]
    reasons = [(calls["reasons"][name], n) for name, n in _largest(found.reasons)]
    days = by_day(found.days)
    return page(
        here,
        "desk_outcomes.html.j2",
        area="desk",
        board=found,
        results=results,
        reasons=reasons,
        days=days,
        attempts=sum(day.attempts for day in found.days),
        reached=sum(day.reached for day in found.days),
        results_chart=_bars(here, here.say("How calls ended"), results),
        reasons_chart=_bars(here, here.say("Why customers left"), reasons),
        days_chart=_days(here, days),
        everybody=here.visitor.role is Role.OPS,
    )


def _largest(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(((name, n) for name, n in numbers.items() if n), key=lambda one: (-one[1], one[0]))


def by_day(days: tuple[Day, ...]) -> list[tuple[date, int, int, int]]:
    """Day, capacity, attempts, reached: over all agents, the first day first."""
    capacity: Counter[date] = Counter()
    attempts: Counter[date] = Counter()
    reached: Counter[date] = Counter()
    for one in days:
        capacity[one.day] += one.capacity
        attempts[one.day] += one.attempts
        reached[one.day] += one.reached
    return [(day, capacity[day], attempts[day], reached[day]) for day in sorted(capacity)]


def _bars(here: Visit, title: str, numbers: list[tuple[str, int]]) -> Markup | None:
    if not numbers:
        return None
    import altair as alt

    data = alt.InlineData(values=[{"name": name, "n": n} for name, n in numbers])
    known = alt.Chart(data).encode(
        y=alt.Y("name:N", sort=[name for name, _ in numbers], title=None, axis=alt.Axis(labelLimit=200)),
        x=alt.X("n:Q", title=None, axis=None),
    )
    drawn = known.mark_bar(color=charts.shades(here.shop)[0]) + known.mark_text(align="left", dx=4).encode(text="n:Q")
    described = ", ".join(f"{name} {n}" for name, n in numbers)
    # Room for a font that is wider than the one that measured the names.
    drawn = drawn.properties(
        width=300, height=26 * len(numbers), padding={"left": 40, "right": 10, "top": 5, "bottom": 5}
    )
    return _drawn(here, drawn, title, described)


def _days(here: Visit, days: list[tuple[date, int, int, int]]) -> Markup | None:
    if not days:
        return None
    import altair as alt

    title, dialled, reached = here.say("Calls by day"), here.say("dialled"), here.say("reached")
    values = [
        {"day": f"{day:%Y-%m-%d}", "what": what, "n": n}
        for day, _, attempts, spoken in days
        for what, n in ((dialled, attempts), (reached, spoken))
    ]
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar()
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelAngle=-40)),
            xOffset=alt.XOffset("what:N", sort=[dialled, reached]),
            y=alt.Y("n:Q", title=None, axis=alt.Axis(tickMinStep=1)),
            color=alt.Color("what:N", title=None, sort=[dialled, reached], legend=alt.Legend(orient="top")),
        )
    )
    described = ", ".join(f"{day}: {attempts} {dialled}, {spoken} {reached}" for day, _, attempts, spoken in days)
    return _drawn(here, chart.properties(width=alt.Step(18), height=180), title, described)


def _drawn(here: Visit, chart: altair.TopLevelMixin, title: str, described: str) -> Markup:
    return charts.svg(chart, title=title, description=described, shop=here.shop)


# Complaints -------------------------------------------------------------------------------------------------------


@routes.get("/desk/complaints", dependencies=OPS)
def all_complaints(here: Here, request: Request) -> Response:
    if "as" in request.query_params:
        return COMPLAINTS.download(here, request.query_params, at=here.at)
    shown = COMPLAINTS.show(here, request.query_params, action=here.url("desk", "complaints"), at=here.at)
    here.note(Audited.VIEWED, subject="complaints", rows=len(shown.rows))
    late = call_board.board(here.house, here.at).complaints_late
    return page(here, "desk_complaints.html.j2", area="desk", shown=shown, late=late)


@routes.get("/desk/complaints/{complaint_id}", dependencies=OPS)
def complaint(here: Here, complaint_id: int) -> Response:
    row = _complaint(here, complaint_id)
    here.note(Audited.VIEWED, row["customer_id"], subject="complaint")
    return page(here, "desk_complaint.html.j2", area="desk", complaint=row)


@routes.post("/desk/complaints/{complaint_id}/settle", dependencies=WRITES)
def settle(here: Here, complaint_id: int, answer: Annotated[str, Form(max_length=LONGEST)]) -> Response:
    """Keeps what was answered; with the customer's last complaint they may be written to and rung again."""
    row = _complaint(here, complaint_id)
    if complaints.settle(here.house.engine, complaint_id, answer=answer.strip(), by=here.visitor.name, at=here.at):
        here.note(Audited.CHANGED, row["customer_id"], subject="complaint")
    return RedirectResponse(here.url("desk", "complaints", str(complaint_id)), 303)


def _complaint(here: Visit, complaint_id: int) -> Mapping[str, Any]:
    if complaint_id.bit_length() > 62:
        raise HTTPException(404)
    with here.house.engine.connect() as connection:
        row = connection.execute(statement("desk/complaint"), {"complaint_id": complaint_id}).mappings().one_or_none()
    if row is None:
        raise HTTPException(404, "there is no such complaint")
    return dict(row)
