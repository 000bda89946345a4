"""What is done in a customer's name: a consent or a withdrawal, a complaint, what is held told to her, forgetting her.

Each stands behind a page that asks, writes by a post from that page, and leaves a line in the audit trail. Telling and
forgetting go through everything and take their time: they go on after the answer, and a page says how far they are.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException
from fastapi.responses import FileResponse, RedirectResponse, Response
from sqlalchemy import select, text
from starlette.background import BackgroundTask

from habitue import complaints, dossiers, erasures, holds, sayings
from habitue.errors import LedgerError
from habitue.forgetting import dossier_path
from habitue.house import House
from habitue.kinds import Audited, Hold
from habitue.sayings import Saying
from habitue.statements import statement
from habitue.tables import Channel, erasure
from habitue.web.ops.customers import name_of, one
from habitue.web.ops.shell import Here, Role, Visit, allowed, page
from habitue.web.pages import Page, same_origin

routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS)])

Act = Literal["consent", "withdrawal", "complaint", "settled", "export", "erase"]
Short = Annotated[str, Form(max_length=200)]
GIVEN_UP = timedelta(minutes=30)
"""After so long without an end, gathering what is held has come to nothing."""

WRITES = [Depends(same_origin)]


@routes.get("/customers/{customer_id}/confirm/{act}")
def confirm(customer_id: str, act: Act, here: Here) -> Response:
    who = one(here.house, customer_id)
    if act == "export" and _gathered(here.house, customer_id):
        return RedirectResponse(here.url("customers", customer_id, "export"), 303)
    here.note(Audited.VIEWED, customer_id, subject=f"confirm {act}")
    return page(
        here,
        "customer_confirm.html.j2",
        area="customers",
        act=act,
        who=who,
        name=name_of(who),
        home=here.url("customers", customer_id),
        channels=list(Channel),
        others=erasures.also_known_as(here.house, customer_id) if act == "erase" else [],
        consent_days=here.shop.calls.consent_days,
        owner=here.shop.calls.complaint_owner,
        tomorrow=here.at.astimezone(here.shop.tz).date() + timedelta(days=1),
    )


@routes.post("/customers/{customer_id}/consent", dependencies=WRITES)
def consent(
    customer_id: str,
    here: Here,
    channel: Annotated[Channel, Form()],
    source: Short,
    wording: Short,
    valid_until: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    said = Saying(channel, "granted", source.strip(), wording.strip(), _day(valid_until))
    sayings.keep(here.house, customer_id, said, by=here.visitor.name, at=here.at)
    return _back(here, customer_id, "consent")


@routes.post("/customers/{customer_id}/withdrawal", dependencies=WRITES)
def withdrawal(
    customer_id: str, here: Here, source: Short, channel: Annotated[list[Channel], Form()], wording: Short = ""
) -> Response:
    for one_of in channel:
        said = Saying(one_of, "withdrawn", source.strip(), wording.strip() or None)
        sayings.keep(here.house, customer_id, said, by=here.visitor.name, at=here.at)
    return _back(here, customer_id, "withdrawal")


@routes.post("/customers/{customer_id}/complaint", dependencies=WRITES)
def complaint(customer_id: str, here: Here, about: Annotated[str, Form(max_length=2_000)] = "") -> Response:
    """As from the call desk: with an owner, and an answer promised within 24 hours."""
    if one(here.house, customer_id)["ordered_at"] is not None:
        raise LedgerError("this customer was erased, or is being: nothing more is kept of them")
    owner = here.shop.calls.complaint_owner
    told: dict[str, Any] = {"owner": owner, "by": here.visitor.name, "at": here.at}
    with here.house.engine.begin() as connection:
        complaints.raise_complaint(connection, customer_id, about.strip(), **told)
    here.note(Audited.CHANGED, customer_id, subject="complaint opened")
    return _back(here, customer_id, "complaint")


@routes.post("/customers/{customer_id}/settled", dependencies=WRITES)
def settled(customer_id: str, here: Here) -> Response:
    holds.close_hold(here.house.engine, customer_id, Hold.COMPLAINT, by=here.visitor.name, at=here.at)
    here.note(Audited.CHANGED, customer_id, subject="complaint settled")
    return _back(here, customer_id, "settled")


# Everything that is held, as a file ------------------------------------------------------------------------------


@routes.post("/customers/{customer_id}/export", dependencies=WRITES)
def export(customer_id: str, here: Here) -> Response:
    one(here.house, customer_id)
    here.note(Audited.EXPORTED, customer_id, subject="dossier", rows=1)
    begun = _begun(here.house, customer_id)
    begun.parent.mkdir(parents=True, exist_ok=True)
    begun.write_text(here.at.isoformat())
    dossier_path(here.house, customer_id).unlink(missing_ok=True)
    answer = RedirectResponse(here.url("customers", customer_id, "export"), 303)
    answer.background = BackgroundTask(_gather, here.house, customer_id, here.at)
    return answer


@routes.get("/customers/{customer_id}/export")
def exporting(customer_id: str, here: Here) -> Response:
    who = one(here.house, customer_id)
    begun = _begun(here.house, customer_id)
    since = datetime.fromisoformat(begun.read_text()) if begun.is_file() else None
    ready = _gathered(here.house, customer_id)
    going = since is not None and not ready and here.at - since < GIVEN_UP
    here.note(Audited.VIEWED, customer_id, subject="dossier")
    return page(
        here,
        "customer_export.html.j2",
        area="customers",
        who=who,
        name=name_of(who),
        home=here.url("customers", customer_id),
        ready=ready,
        going=going,
        since=since,
        size=dossier_path(here.house, customer_id).stat().st_size if ready else 0,
    )


@routes.get("/customers/{customer_id}/export/file")
def exported(customer_id: str, here: Here) -> Response:
    one(here.house, customer_id)
    if not _gathered(here.house, customer_id):
        raise HTTPException(404, "nothing is gathered of this customer: ask for it on her page")
    here.note(Audited.EXPORTED, customer_id, subject="dossier file", rows=1)
    return FileResponse(
        dossier_path(here.house, customer_id),
        media_type="application/json",
        filename=f"customer-{here.at:%Y-%m-%d}.json",
    )


def _gather(house: House, customer_id: str, at: datetime) -> None:
    try:
        dossiers.write_dossier(house, customer_id, at=at)
    finally:
        _begun(house, customer_id).unlink(missing_ok=True)


def _gathered(house: House, customer_id: str) -> bool:
    return dossier_path(house, customer_id).is_file() and not _begun(house, customer_id).is_file()


def _begun(house: House, customer_id: str) -> Path:
    """Says that what is held on her is being gathered, and since when."""
    return dossier_path(house, customer_id).with_suffix(".begun")


# Forgetting ------------------------------------------------------------------------------------------------------


@routes.post("/customers/{customer_id}/erase", dependencies=WRITES)
def erase(customer_id: str, here: Here, reason: Short = "", again: Short = "") -> Response:
    one(here.house, customer_id)
    if again.strip() != customer_id:
        raise LedgerError("the id that was typed is not this customer's: nothing was erased; go back and type it again")
    if not reason.strip():
        raise LedgerError("say why: go back and write a reason, for those who ask later")
    erasures.order(
        here.house.engine, [customer_id], rule="asked", by=here.visitor.name, reason=reason.strip(), at=here.at
    )
    here.note(Audited.ERASED, customer_id, subject="asked")
    return _going_on(here, customer_id)


@routes.post("/customers/{customer_id}/erase/on", dependencies=WRITES)
def erase_on(customer_id: str, here: Here) -> Response:
    """Goes on with an erasure that was stopped or had to wait."""
    if _erasure(here.house, customer_id) is None:
        raise LedgerError("nobody has ordered that this customer be erased: do so on her page")
    here.note(Audited.ERASED, customer_id, subject="went on")
    return _going_on(here, customer_id)


@routes.get("/customers/{customer_id}/erasure")
def erasing(customer_id: str, here: Here) -> Response:
    found = _erasure(here.house, customer_id)
    if found is None:
        raise HTTPException(404, "nobody has ordered that this customer be erased")
    with here.house.engine.connect() as connection:
        waiting = connection.execute(statement("erasure/in_hand")).one()
        going = bool(connection.scalar(text("select not pg_try_advisory_xact_lock(hashtext('habitue.erasing'))")))
    here.note(Audited.VIEWED, customer_id, subject="erasure")
    left = [step for step in erasures.STEPS if step not in found["done"]]
    return page(
        here,
        "customer_erasure.html.j2",
        area="customers",
        customer_id=customer_id,
        found=found,
        steps=erasures.STEPS,
        left=left,
        going=going,
        waiting=waiting,
        home=here.url("customers", customer_id),
    )


def _erasure(house: House, customer_id: str) -> dict[str, Any] | None:
    with house.engine.connect() as connection:
        row = connection.execute(select(erasure).where(erasure.c.customer_id == customer_id)).mappings().one_or_none()
    return dict(row) if row else None


def _going_on(here: Visit, customer_id: str) -> Response:
    answer = RedirectResponse(here.url("customers", customer_id, "erasure"), 303)
    answer.background = BackgroundTask(_complete, here.house, here.at)
    return answer


def _complete(house: House, at: datetime) -> None:
    """One at a time: who comes second waits, and finds what is still left to do."""
    with house.engine.connect() as connection:
        connection.execute(text("select pg_advisory_xact_lock(hashtext('habitue.erasing'))"))
        erasures.complete(house, at=at)


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written) if written else None
    except ValueError:
        raise LedgerError("the last day is no date: go back and write it as 2027-03-31") from None


def _back(here: Visit, customer_id: str, done: str) -> Response:
    return RedirectResponse(f"{here.url('customers', customer_id)}?done={done}", 303)
