"""The call desk: gives each agent the best customer to ring now, and keeps what came of it.

Every function takes the house, the agent's name and the moment. What an agent can't do is a CallError: a sentence, and
`why`, a word of a closed list, for pages. The law (`calling`) and the ledger's rules are asked when a card is given and
again when a number is dialled; a Refusal names the rule.

1. `next_card` reserves a line of a list for LEASE; the page renews it (`renew`) and releases it when its tab is gone.
2. `dial` writes the attempt down before the agent dials: it counts, whatever becomes of agent and browser.
3. `finish` says how it ended, with all that follows, in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, Update, func, insert, select, update

from habitue import call_cards, call_endings, call_gate, call_lists, calling, ledger, outcomes
from habitue.call_cards import Card
from habitue.call_endings import Call, Ending, Finished
from habitue.call_gate import Asked
from habitue.call_lists import End
from habitue.calling import Barrier
from habitue.errors import HabitueError
from habitue.house import House
from habitue.kinds import Disposition
from habitue.outcomes import Event
from habitue.statements import statement
from habitue.tables import LineStatus, OutcomeKind, call_attempt, call_line, call_slot

LEASE = timedelta(minutes=2)
"""How long a line stays reserved for an agent whose page says nothing; a page renews it every half minute."""

GRACE = timedelta(minutes=15)
"""How long an agreed callback waits for whoever agreed it, before anybody may keep it."""

KEPT = timedelta(days=1)
"""How much longer than an agreed callback its line lives, though its list has ended."""

BANDS = ("morning", "afternoon", "evening")
FOR_NOW = frozenset({*calling.BY_THE_CLOCK, Barrier.ATTEMPTS_USED})
"""Barriers that only the list's end turns into a no."""


class CallError(HabitueError):
    """`why`: not_reserved (no longer this agent's), not_dialled, already_finished, callback_missing, callback_unlawful,
    unknown_call."""

    def __init__(self, message: str, *, why: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody may ring this customer now. `barrier`: a rule of `calling.Barrier`, or of the ledger (stopped, paused,
    gone, erased, minor, deceased, complaint_open, payment_incident, suppressed, unreachable, expired); `source`: the
    article; `opens`: when it would be lawful, None where it never will."""

    barrier: str
    source: str | None = None
    opens: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dialled:
    attempt_id: int
    phone: str
    """E.164, for `tel:`"""
    again: bool = False
    """it was under way already"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why there is no card now: so many lines are still to be called, the next from `opens` on."""

    waiting: int
    reserved: int
    opens: datetime | None


def next_card(house: House, agent: str, at: datetime, *, run_id: str | None = None) -> Card | None:
    """The best customer to ring now, reserved for this agent; the one that they hold already, where they do. None where
    nobody may be rung now (`waiting` says when)."""
    call_lists.expire(house, at)
    held = _held(house, agent, at)
    if held is not None and (found := call_cards.card(house, held, at)):
        return found
    while (candidate := _candidate(house, agent, at, run_id)) is not None:
        message_id, reserved = candidate
        if reserved and (found := call_cards.card(house, message_id, at)):
            return found
    return None


def take(house: House, message_id: UUID, agent: str, at: datetime) -> Card | Refusal:
    """The same for a line that somebody chose; CallError (not_reserved) where another agent holds it."""
    call_lists.expire(house, at)
    with house.engine.begin() as connection:
        line = _lock(connection, message_id)
        if line.reserved_by not in (None, agent) or (line.assigned_to not in (None, agent) and not line.reserved_by):
            raise _not_theirs()
        if (why := _reserve(connection, house, message_id, agent, at)) is not None:
            return why
    found = call_cards.card(house, message_id, at)
    if found is None:
        raise CallError("this customer's data are gone: take the next one", why="unknown_call")
    return found


def renew(house: House, message_id: UUID, agent: str, at: datetime) -> datetime:
    """Keeps the line for LEASE more; returns until when. CallError (not_reserved) where it is no longer theirs."""
    until = at + LEASE
    mine = _mine(message_id, agent, at)
    with house.engine.begin() as connection:
        if not connection.execute(mine.values(reserved_until=until)).rowcount:
            raise _not_theirs()
    return until


def release(house: House, message_id: UUID, agent: str, at: datetime) -> bool:
    """Gives the line back, unless it was dialled; False where there was nothing to give back."""
    mine = _mine(message_id, agent, at).where(call_line.c.attempt_id.is_(None))
    with house.engine.begin() as connection:
        return connection.execute(mine.values(reserved_by=None, reserved_until=None)).rowcount > 0


def dial(house: House, message_id: UUID, agent: str, at: datetime) -> Dialled | Refusal:
    """Writes the attempt down. The law is asked once more; a Refusal takes the card back. CallError (not_reserved)
    where the line is not theirs."""
    with house.engine.begin() as connection:
        line = _lock(connection, message_id)
        if line.reserved_by != agent or line.reserved_until <= at or line.status != LineStatus.OPEN:
            raise _not_theirs()
        _one_at_a_time(connection, line.customer_id, line.phone_mark)
        asked = call_gate.ask(connection, [message_id], at=at, shop=house.shop)[message_id]
        if line.attempt_id is not None:
            return Dialled(line.attempt_id, asked.row["phone"], again=True)
        if (why := _put_off(connection, asked, at)) is not None:
            return why
        return Dialled(_attempt(connection, asked, agent, at), asked.row["phone"])


def finish(
    house: House, attempt_id: int, agent: str, ending: Ending, at: datetime, *, message_id: UUID | None = None
) -> Finished:
    """Keeps how it ended. Said twice alike, it is kept once. CallError: already_finished otherwise,
    callback_missing, callback_unlawful; unknown_call where it is no call of theirs, or not of the line `message_id`."""
    with house.engine.begin() as connection:
        own = connection.execute(
            select(call_attempt.c.message_id).where(
                call_attempt.c.attempt_id == attempt_id, call_attempt.c.agent == agent
            )
        ).scalar_one_or_none()
        if own is None or message_id not in (None, own):
            raise CallError("no such call of yours: take the card again", why="unknown_call")
        _lock(connection, own)
        made = connection.execute(select(call_attempt).where(call_attempt.c.attempt_id == attempt_id)).one()
        if made.disposition is not None:
            return _said_before(connection, made, ending)
        asked = call_gate.ask(connection, [own], at=at, shop=house.shop)[own]
        call = Call(asked, own, attempt_id, agent, at, at)
        done, runs = conclude(connection, house, call, ending)
    outcomes.judged(house.engine, runs, rules=house.shop.breaker, at=at)
    return done


def conclude(connection: Connection, house: House, call: Call, ending: Ending) -> tuple[Finished, frozenset[str]]:
    """The same in a transaction that holds the line, for a call of the desk's or off it; the runs that the breaker must
    judge afterwards."""
    _check_callback(house, call, ending)
    told = {"ended_at": call.ended_at, "disposition": ending.disposition, "reason": call_endings.reason_of(ending)}
    told |= {"notes": ending.notes.strip() or None, "offer_made": ending.offer_made}
    connection.execute(update(call_attempt).where(call_attempt.c.attempt_id == call.attempt_id).values(told))
    done, due = call_endings.follow(connection, house, call, ending)
    runs: frozenset[str] = frozenset()
    reached = ending.disposition in call_endings.REACHED
    if reached:
        # Of a list that has ended, this is news that undoes what was said at its end.
        moment = call.ended_at if call.asked.row["status"] == LineStatus.OPEN else call.at
        event = Event(call.message_id, OutcomeKind.REACHED, moment, "desk", f"reached/{call.attempt_id}")
        runs = outcomes.keep(connection, [event], at=call.at).runs
    line = connection.execute(select(call_line).where(call_line.c.message_id == call.message_id)).one()
    next_at = None
    if line.status in (LineStatus.RELEASED, LineStatus.NOT_REACHED):
        finally_done = reached or ending.disposition not in call_endings.RETRY
        told_now = {"message_id": call.message_id, "done": finally_done, "disposition": ending.disposition}
        connection.execute(statement("calls/made_after_all"), told_now)
    if line.status == LineStatus.OPEN:
        next_at, words, more = _what_next(connection, house, call, ending, line, reached)
        done += words
        runs |= more
    return Finished(call.attempt_id, tuple(done), next_at, due), runs


def agree_slot(house: House, customer_id: str, starts_at: datetime, *, by: str, proof: str, at: datetime) -> int:
    """Keeps that the customer agreed, provably, to be rung at that very date and time; returns the slot's id. Their
    open lines wait for it."""
    if not proof.strip():
        raise CallError("say how the customer agreed to this very date and time", why="callback_unlawful")
    with house.engine.begin() as connection:
        slot = _keep_slot(connection, customer_id, starts_at, by=by, proof=proof, attempt_id=None, at=at)
        theirs = update(call_line).where(call_line.c.customer_id == customer_id, call_line.c.status == LineStatus.OPEN)
        connection.execute(
            theirs.values(
                callback_at=starts_at,
                not_before=starts_at,
                owner=None,
                expires_at=func.greatest(call_line.c.expires_at, starts_at + KEPT),
            )
        )
        return slot


def waiting(house: House, agent: str, at: datetime, *, run_id: str | None = None) -> Waiting:
    """What is left to do, for the page that has no card to show."""
    with house.engine.connect() as connection:
        row = connection.execute(statement("calls/waiting"), {"agent": agent, "at": at, "run_id": run_id}).one()
        soonest = [row.opens] if row.opens else []
        for clock in connection.execute(statement("calls/clocks")):
            if calling.is_zone(clock.timezone):
                soonest += _next_opening(clock.law, clock.timezone, max(at, row.since or at))
    return Waiting(row.waiting, row.reserved, min(soonest, default=None) if row.waiting else None)


def band(at: datetime, timezone: str | None) -> str:
    """Morning, afternoon or evening where the customer lives: who did not answer in one is tried in another."""
    zone = ZoneInfo(timezone) if timezone and calling.is_zone(timezone) else UTC
    hour = at.astimezone(zone).hour
    return BANDS[0] if hour < 13 else BANDS[1] if hour < 17 else BANDS[2]


def _held(house: House, agent: str, at: datetime) -> UUID | None:
    """The line that this agent holds already, for as long again: a tab that was closed and opened again shows it once
    more. One that was not dialled yet is judged anew."""
    mine = select(call_line).where(
        call_line.c.reserved_by == agent, call_line.c.reserved_until > at, call_line.c.status == LineStatus.OPEN
    )
    latest = mine.order_by(call_line.c.attempt_id.is_(None), call_line.c.reserved_until.desc()).limit(1)
    with house.engine.begin() as connection:
        line = connection.execute(latest.with_for_update()).one_or_none()
        if line is None:
            return None
        if line.attempt_id is None:
            return line.message_id if _reserve(connection, house, line.message_id, agent, at) is None else None
        connection.execute(_mine(line.message_id, agent, at).values(reserved_until=at + LEASE))
        return UUID(str(line.message_id))


def _candidate(house: House, agent: str, at: datetime, run_id: str | None) -> tuple[UUID, bool] | None:
    """The next line in order: whether it was reserved. Where it was not it is put off or ended, so that the one behind
    it comes next. None: there is none."""
    with house.engine.begin() as connection:
        clocks = [
            (row.law, row.timezone, band(at, row.timezone))
            for row in connection.execute(statement("calls/clocks"))
            if _is_open(row.law, row.timezone, at)
        ]
        laws, zones, bands = zip(*clocks, strict=True) if clocks else ((), (), ())
        found = connection.scalar(
            statement("calls/next"),
            {
                "agent": agent,
                "at": at,
                "run_id": run_id,
                "laws": list(laws),
                "zones": list(zones),
                "bands": list(bands),
                "grace": GRACE,
                "every_band": len(BANDS),
            },
        )
        if found is None:
            return None
        return found, _reserve(connection, house, found, agent, at) is None


def _is_open(law: str, timezone: str, at: datetime) -> bool:
    """Whether anybody under that law and clock may be rung at that moment."""
    if not calling.is_zone(timezone):
        return True  # the gate says so
    day = at.astimezone(ZoneInfo(timezone)).date()
    hours = calling.openings(calling.law_of(law), timezone, day, day)
    return any(opens <= at < closes for _, opens, closes in hours)


def _next_opening(law: str, timezone: str, at: datetime) -> list[datetime]:
    day = at.astimezone(ZoneInfo(timezone)).date()
    hours = calling.openings(calling.law_of(law), timezone, day, day + timedelta(days=14))
    return [max(opens, at) for _, opens, closes in hours if closes > at][:1]


def _reserve(connection: Connection, house: House, message_id: UUID, agent: str, at: datetime) -> Refusal | None:
    """Reserves a line that this transaction has locked, or says why not."""
    asked = call_gate.ask(connection, [message_id], at=at, shop=house.shop)[message_id]
    row = asked.row
    if row["status"] != LineStatus.OPEN:
        return Refusal(row["status"])
    _one_at_a_time(connection, row["customer_id"], row["phone_mark"])
    who = {"message_id": message_id, "customer_id": row["customer_id"], "mark": row["phone_mark"], "agent": agent}
    elsewhere = connection.scalar(statement("calls/elsewhere"), {**who, "at": at})
    if elsewhere is not None:
        _defer(connection, message_id, elsewhere)
        return Refusal("in_hand", opens=elsewhere)
    if (why := _put_off(connection, asked, at)) is not None:
        return why
    reserved = {"message_id": message_id, "agent": agent, "until": at + LEASE, "mark": row["phone_mark"]}
    connection.execute(statement("calls/reserve"), reserved)
    return None


def _one_at_a_time(connection: Connection, customer_id: str, mark: bytes | None) -> None:
    """One agent at a time asks for a person, and for a telephone, however many lines lead there."""
    for name in sorted({f"habitue.call/{customer_id}", *([f"habitue.call/{mark.hex()}"] if mark else [])}):
        ledger.lock(connection, name)


def _put_off(connection: Connection, asked: Asked, at: datetime) -> Refusal | None:
    """None where the customer may be rung now. Else the line waits until they may, or is ended where they never may."""
    row = asked.row
    if asked.barrier:
        if asked.barrier in call_gate.TEMPORARY:
            _defer(connection, row["message_id"], at + timedelta(hours=1))
        else:
            end = End(row["message_id"], LineStatus.CLOSED, asked.barrier)
            call_lists.end_lines(connection, [end], at=at)
        return Refusal(asked.barrier)
    verdict = asked.verdict(at)
    if verdict.barrier is None:
        return None
    refusal = Refusal(verdict.barrier, verdict.rule, verdict.opens)
    if verdict.opens is not None and verdict.opens < row["expires_at"]:
        _defer(connection, row["message_id"], verdict.opens)
    elif verdict.barrier in FOR_NOW:
        _defer(connection, row["message_id"], row["expires_at"])
    else:
        end = End(row["message_id"], LineStatus.CLOSED, verdict.barrier)
        call_lists.end_lines(connection, [end], at=at)
    return refusal


def _defer(connection: Connection, message_id: UUID, until: datetime) -> None:
    waits = update(call_line).where(call_line.c.message_id == message_id)
    connection.execute(waits.values(not_before=until, reserved_by=None, reserved_until=None))


def _attempt(connection: Connection, asked: Asked, agent: str, at: datetime) -> int:
    row = asked.row
    made = {
        "message_id": row["message_id"],
        "run_id": row["run_id"],
        "customer_id": row["customer_id"],
        "phone_mark": row["phone_mark"],
        "mark_key": row["mark_key"],
        "agent": agent,
        "dialled_at": at,
        "recorded_at": at,
        "source": "desk",
        "band": band(at, row["timezone"]),
    }
    new: int = connection.execute(insert(call_attempt).values(made).returning(call_attempt.c.attempt_id)).scalar_one()
    counted = update(call_line).where(call_line.c.message_id == row["message_id"])
    connection.execute(counted.values(attempt_id=new, attempts=call_line.c.attempts + 1, reserved_until=at + LEASE))
    return new


def _check_callback(house: House, call: Call, ending: Ending) -> None:
    """An agreed moment is lawful by the hours, or by proof that the customer agreed to it."""
    if ending.disposition is not Disposition.CALLBACK_AT:
        return
    if ending.callback is None or ending.callback.tzinfo is None or ending.callback <= call.ended_at:
        raise CallError("an agreed callback needs its day and time, later than the call", why="callback_missing")
    standing = call.asked.standing
    if ending.slot_proof.strip():
        standing = replace(standing, slots=(*standing.slots, ending.callback))
    verdict = calling.may_call(standing, ending.callback)
    if not verdict:
        raise CallError(
            f"nobody may ring this customer at that moment ({verdict.barrier}"
            f"{', ' + verdict.rule if verdict.rule else ''}): agree on another one, or note how they asked for it",
            why="callback_unlawful",
        )


def _what_next(
    connection: Connection, house: House, call: Call, ending: Ending, line: Row[Any], reached: bool
) -> tuple[datetime | None, list[str], frozenset[str]]:
    """When the customer is rung again by this line, or that it is done."""
    own = update(call_line).where(call_line.c.message_id == call.message_id)
    if line.attempt_id == call.attempt_id:
        connection.execute(own.values(attempt_id=None, reserved_by=None, reserved_until=None))
    said = own.values(disposition=ending.disposition)
    if ending.disposition is Disposition.CALLBACK_AT and ending.callback is not None:
        words = ["callback"]
        if ending.slot_proof.strip():
            _keep_slot(
                connection,
                line.customer_id,
                ending.callback,
                by=call.agent,
                proof=ending.slot_proof,
                attempt_id=call.attempt_id,
                at=call.at,
            )
            words.append("slot_kept")
        ends = max(line.expires_at, ending.callback + KEPT)
        agreed = {"callback_at": ending.callback, "owner": call.agent, "not_before": ending.callback}
        connection.execute(said.values(**agreed, expires_at=ends))
        return ending.callback, words, frozenset()
    connection.execute(said.values(callback_at=None, owner=None))
    if (delay := call_endings.RETRY.get(ending.disposition)) is not None:
        wanted = call.ended_at + delay
        verdict = calling.may_call(call.asked.standing, wanted)
        again = wanted if verdict else verdict.opens
        if again is not None and again < line.expires_at:
            connection.execute(own.values(not_before=again))
            return again, ["call_again"], frozenset()
        status = LineStatus.DONE if reached else LineStatus.NOT_REACHED
    else:
        status = LineStatus.DONE
    kept = call_lists.end_lines(connection, [End(call.message_id, status, reached=reached)], at=call.at)
    return None, ["list_done"], kept.runs if kept else frozenset()


def _keep_slot(
    connection: Connection,
    customer_id: str,
    starts_at: datetime,
    *,
    by: str,
    proof: str,
    attempt_id: int | None,
    at: datetime,
) -> int:
    row = {"customer_id": customer_id, "starts_at": starts_at, "agreed_at": at, "agreed_by": by}
    row |= {"attempt_id": attempt_id, "proof": proof.strip()}
    new: int = connection.execute(insert(call_slot).values(row).returning(call_slot.c.slot_id)).scalar_one()
    return new


def _said_before(connection: Connection, made: Row[Any], ending: Ending) -> Finished:
    told = (ending.disposition, call_endings.reason_of(ending), ending.notes.strip() or None)
    if (made.disposition, made.reason, made.notes) != told:
        raise CallError(
            f"this call was finished at {made.ended_at:%H:%M} as {made.disposition}: it stays so",
            why="already_finished",
        )
    line = connection.execute(select(call_line).where(call_line.c.message_id == made.message_id)).one()
    return Finished(made.attempt_id, (), line.not_before if line.status == LineStatus.OPEN else None)


def _lock(connection: Connection, message_id: UUID) -> Row[Any]:
    line = connection.execute(
        select(call_line).where(call_line.c.message_id == message_id).with_for_update()
    ).one_or_none()
    if line is None:
        raise CallError("no list has this line: take the next card", why="unknown_call")
    return line


def _mine(message_id: UUID, agent: str, at: datetime) -> Update:
    return update(call_line).where(
        call_line.c.message_id == message_id,
        call_line.c.reserved_by == agent,
        call_line.c.reserved_until > at,
        call_line.c.status == LineStatus.OPEN,
    )


def _not_theirs() -> CallError:
    return CallError("this customer is not reserved for you any more: take the next one", why="not_reserved")
