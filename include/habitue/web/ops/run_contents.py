"""What a run holds of people: whom it left out, its files, its samples. For ops alone; each look and each file that is
taken out stands in the audit trail."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.background import BackgroundTask

from habitue import overview, run_files, run_samples
from habitue.kinds import Audited
from habitue.report import rule_words
from habitue.run_samples import Sample
from habitue.tables import Channel, Segment
from habitue.web.ops.listing import N_, Column, Filter, Listing
from habitue.web.ops.shell import Here, Role, Visit, allowed, page
from habitue.web.pages import Page, same_origin

MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; sandbox; "
    "frame-ancestors 'self'"
)
"""A mail in a frame runs nothing, loads nothing and sends nothing."""

routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS)])


def _rules(here: Visit) -> list[tuple[str, str]]:
    """Every rule that a plan may leave somebody out by."""
    names = [
        *("no_consent", "consent_expired", "objected", "minor", "deceased", "suppressed", "unreachable"),
        *("household_served", "recently_contacted", "frequency_cap", "fewer_wanted", "over_capacity", "over_budget"),
        *("erased", "complaint_open", "payment_incident"),
    ]
    return [(name, rule_words(name, here.language)[0]) for name in names]


EXCLUDED = Listing(
    "excluded",
    "runs/excluded",
    key="customer_id",
    title=N_("Whom the run left out"),
    columns=(
        Column("customer_id", N_("Number"), link=lambda here, row: here.url("customers", row["customer_id"])),
        Column("name", N_("Name")),
        Column("segment", N_("Group"), says=lambda here, value: here.words["segments"][value]),
        Column("reason", N_("Rule"), says=lambda here, value: rule_words(value, here.language)[0]),
        Column("value", N_("What the rule saw"), sortable=False),
    ),
    filters=(
        Filter("rule", N_("Rule"), options=_rules),
        Filter("segment", N_("Group"), options=lambda here: [(one, here.words["segments"][one]) for one in Segment]),
        Filter("reason", N_("In detail")),
    ),
    sort="customer_id",
)


@routes.get("/runs/{run_id}/excluded")
def excluded(run_id: str, here: Here, request: Request) -> Response:
    """A customer's number may stand in an address; names are not looked for here."""
    asked = request.query_params
    line = overview.heading(here.house.engine, run_id)
    if "as" in asked:
        return EXCLUDED.download(here, asked, run_id=run_id)
    shown = EXCLUDED.show(here, asked, action=here.url("runs", run_id, "excluded"), run_id=run_id)
    here.note(Audited.VIEWED, subject=f"excluded {run_id}", rows=len(shown.rows))
    rule = asked.get("reason") or asked.get("rule", "")
    known = dict(_rules(here))
    said = rule_words(rule, here.language) if rule.partition(":")[0] in known else ("", "")
    return page(here, "excluded.html.j2", area="campaigns", wide=True, line=line, shown=shown, rule=said)


@routes.get("/runs/{run_id}/files/{folder}/{name}")
def file(run_id: str, folder: str, name: str, here: Here) -> Response:
    found = run_files.find(here.house, run_id, f"{folder}/{name}")
    if found is None:
        raise HTTPException(404, "the run has no such file")
    here.note(Audited.EXPORTED, subject=f"{run_id} {found.key}")
    return FileResponse(found.path, filename=found.name, headers={"Content-Security-Policy": "sandbox"})


@routes.get("/runs/{run_id}/samples")
def samples(run_id: str, here: Here) -> Response:
    line = overview.heading(here.house.engine, run_id)
    found = run_samples.samples(here.house, run_id)
    made = [one for one in found if one.made]
    if made:
        here.note(Audited.VIEWED, subject=f"samples {run_id}", rows=len(made))
    return page(
        here,
        "samples.html.j2",
        area="campaigns",
        wide=True,
        line=line,
        samples=found,
        made=len(made),
        under_way=run_samples.under_way(here.house, run_id),
        scripts={one.message_id: one.file.read_text("utf-8") for one in made if _is_script(one)},
    )


@routes.post("/runs/{run_id}/samples", dependencies=[Depends(same_origin)])
def make_samples(run_id: str, here: Here) -> Response:
    """Makes what is missing after the answer is given: the page says how far it has come."""
    overview.heading(here.house.engine, run_id)
    work = None
    if run_samples.begin(here.house, run_id):
        work = BackgroundTask(run_samples.make, here.house, run_id)
    return RedirectResponse(here.url("runs", run_id, "samples"), 303, background=work)


@routes.get("/runs/{run_id}/samples/{message_id}")
def sample(run_id: str, message_id: UUID, here: Here) -> Response:
    """A picture, or a mail for a frame."""
    found = run_samples.samples(here.house, run_id)
    one = next((one for one in found if one.message_id == message_id and one.file.exists()), None)
    if one is None:
        raise HTTPException(404, "this sample is not made")
    here.note(Audited.VIEWED, subject=f"sample {run_id}", rows=1)
    if one.channel is Channel.EMAIL:
        return HTMLResponse(one.file.read_text("utf-8"), headers={"Content-Security-Policy": MAIL_POLICY})
    return FileResponse(one.file, headers={"Content-Security-Policy": "sandbox"})


def _is_script(one: Sample) -> bool:
    return one.channel is Channel.CALL and one.file.exists()
