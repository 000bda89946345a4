"""The audit trail: who looked at whom, took data out, changed or had forgotten somebody, and when."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from habitue.kinds import Audited
from habitue.web.ops.customers import to_customer
from habitue.web.ops.listing import N_, Column, Filter, Listing
from habitue.web.ops.shell import Here, Role, Visit, allowed, page
from habitue.web.pages import Page

routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS)])

WHAT = {
    Audited.SEARCHED: N_("looked for somebody"),
    Audited.VIEWED: N_("viewed"),
    Audited.EXPORTED: N_("took out"),
    Audited.CHANGED: N_("changed"),
    Audited.ERASED: N_("had erased"),
}


def _what(here: Visit, value: str) -> str:
    return here.say(WHAT[Audited(value)])


TRAIL = Listing(
    "audit",
    "audit/lines",
    key="audit_id",
    title=N_("Who handled whose data"),
    sort="-at",
    columns=(
        Column("at", N_("When"), "moment"),
        Column("said_by", N_("Who")),
        Column("what", N_("What"), says=_what),
        Column("customer_id", N_("Customer"), link=to_customer),
        Column("subject", N_("Of what")),
        Column("people", N_("People"), "count"),
    ),
    filters=(
        Filter("what", N_("What"), options=lambda here: [(one.value, here.say(said)) for one, said in WHAT.items()]),
        Filter("said_by", N_("Who")),
        Filter("customer_id", N_("Customer")),
    ),
)


@routes.get("/audit/")
def audit(request: Request, here: Here) -> Response:
    asked = request.query_params
    if asked.get("as"):
        return TRAIL.download(here, asked)
    return page(here, "trail.html.j2", area="audit", shown=TRAIL.show(here, asked, action=here.url("audit", "")))
