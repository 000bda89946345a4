"""What people (and the circuit breaker) do to a run: pause, resume, cancel, approve, accept; and to all, stop and go.

Each is one transaction that is asked of at every claim. A pause waits for the claims that are being committed; after
it none is, and what has left has left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update

from habitue import ledger
from habitue.campaigns import Campaign
from habitue.errors import LedgerError
from habitue.limits import Breaker
from habitue.plans import Shard, audience_sha256, content_files, content_sha256
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import Channel, RunState, State, approval, message, run, shard, stop

BREAKER = "circuit breaker"


def pause(engine: Engine, run_id: str, *, by: str, reason: str, at: datetime) -> bool:
    """Nothing of the run leaves until it is resumed; False where it was paused already."""
    with engine.begin() as connection:
        return _pause(connection, run_id, by=by, reason=reason, at=at)


def _pause(connection: Connection, run_id: str, *, by: str, reason: str, at: datetime) -> bool:
    row = locked(connection, run_id)
    if row["state"] == RunState.CANCELLED:
        raise LedgerError(f"{run_id} is cancelled: there is nothing left to pause")
    if row["state"] == RunState.PAUSED:
        return False
    _move(connection, run_id, RunState.PAUSED, by=by, reason=reason, at=at)
    return True


def resume(engine: Engine, run_id: str, *, by: str, at: datetime) -> bool:
    """A paused run goes on, and a late one may leave for as long again as its window is; False where neither was.

    The circuit breaker judges anew: what had come before no longer counts.
    """
    with engine.begin() as connection:
        row = locked(connection, run_id)
        if row["state"] == RunState.CANCELLED:
            raise LedgerError(f"{run_id} is cancelled and stays so: plan the campaign for another day")
        late = at > row["deliver_until"]
        if row["state"] == RunState.OPEN and not late:
            return False
        _move(connection, run_id, RunState.OPEN, by=by, reason=None, at=at)
        changed: dict[str, Any] = {"judged_from": ledger.tallies(connection, run_id)}
        if late:
            changed["deliver_until"] = _window_from(row, at)
        connection.execute(update(run).where(run.c.run_id == run_id).values(**changed))
        return True


def cancel(engine: Engine, run_id: str, *, by: str, reason: str, at: datetime) -> int:
    """Ends the run: what has not left is cancelled; returns how many messages that were. Can't be undone."""
    with engine.begin() as connection:
        return _cancel(connection, run_id, by=by, reason=reason, at=at)


def _cancel(connection: Connection, run_id: str, *, by: str, reason: str, at: datetime) -> int:
    row = locked(connection, run_id)
    if row["state"] != RunState.CANCELLED:
        _move(connection, run_id, RunState.CANCELLED, by=by, reason=reason, at=at)
    return int(connection.execute(statement("ledger/cancel"), {"run_id": run_id, "at": at}).scalar_one())


def stop_all(engine: Engine, *, by: str, reason: str, at: datetime) -> bool:
    """The kill switch: nothing leaves, of any run, until `go`; False where it was pulled already."""
    with engine.begin() as connection:
        ledger.lock(connection, ledger.STOP_LOCK)
        if connection.scalar(select(stop.c.stop_id).where(stop.c.lifted_at.is_(None))) is not None:
            return False
        connection.execute(insert(stop).values(reason=reason, said_by=by, said_at=at))
        return True


def go(engine: Engine, *, by: str, at: datetime) -> bool:
    """Lifts the kill switch; paused runs stay paused. False where it was not pulled."""
    with engine.begin() as connection:
        lifted = update(stop).where(stop.c.lifted_at.is_(None)).values(lifted_by=by, lifted_at=at)
        return connection.execute(lifted).rowcount > 0


def locked(connection: Connection, run_id: str) -> RowMapping:
    """The run, locked: claims that are being committed are waited for."""
    ledger.lock(connection, ledger.run_lock(run_id))
    row = connection.execute(select(run).where(run.c.run_id == run_id).with_for_update()).mappings().one_or_none()
    if row is None:
        known = connection.scalars(select(run.c.run_id).order_by(run.c.number.desc()).limit(5)).all()
        raise LedgerError(f"run {run_id} is not planned; the last ones are {', '.join(known) or 'none'}")
    return row


def _move(connection: Connection, run_id: str, state: RunState, *, by: str, reason: str | None, at: datetime) -> None:
    connection.execute(
        update(run).where(run.c.run_id == run_id).values(state=state, state_by=by, state_reason=reason, state_at=at)
    )


def _window_from(row: RowMapping, at: datetime) -> datetime:
    """As long again as the run's own window, from now on."""
    if not row["shop"]:
        raise LedgerError(
            f"{row['run_id']} was planned by an older version: take it in first (habitue accept {row['run_id']})"
        )
    campaign, shop = Campaign.model_validate(row["settings"]), Shop.model_validate(row["shop"])
    return campaign.window.ends(at.astimezone(shop.tz).date(), shop.tz)


# Approval


@dataclass(frozen=True, slots=True)
class Approvals:
    """What a run needs before anything leaves, and what it has."""

    needed: int
    given: tuple[str, ...]
    """who approved exactly this audience and content, in order"""
    late: bool
    """its send window is over: a person must say so, whatever it costs"""

    @property
    def open(self) -> int:
        return max(0, max(self.needed, int(self.late)) - len(self.given))


def approvals(engine: Engine, run_id: str, *, at: datetime) -> Approvals:
    """What the run needs and has at this moment."""
    with engine.connect() as connection:
        row = connection.execute(select(run).where(run.c.run_id == run_id)).mappings().one_or_none()
        if row is None:
            raise LedgerError(f"run {run_id} is not planned: run the task `plan` first")
        late = at > row["deliver_until"]
        since = row["deliver_until"] if late else None
        return Approvals(row["approvals_needed"], _given(connection, row, since), late)


def _given(connection: Connection, row: RowMapping, since: datetime | None = None) -> tuple[str, ...]:
    said = select(approval.c.said_by).where(
        approval.c.run_id == row["run_id"],
        approval.c.decision == "approved",
        approval.c.audience_sha256 == row["audience_sha256"],
        approval.c.content_sha256 == row["content_sha256"],
    )
    if since is not None:
        said = said.where(approval.c.said_at > since)
    return tuple(dict.fromkeys(connection.scalars(said.order_by(approval.c.approval_id))))


def approve(engine: Engine, run_id: str, *, by: str, audience: str, content: str, at: datetime) -> Approvals:
    """A person says yes to the audience and the content with these hashes; returns what the run then has.

    LedgerError where either has changed since the question was put, where the run is cancelled, or where the same
    person already gave the other approval. A yes to a late run opens its window again.
    """
    with engine.begin() as connection:
        row = locked(connection, run_id)
        if row["state"] == RunState.CANCELLED:
            raise LedgerError(f"{run_id} is cancelled and stays so")
        if (audience, content) != (row["audience_sha256"], row["content_sha256"]):
            raise LedgerError(
                f"{run_id} has changed since it was put to approval: ask again (clear the task `approve`)"
            )
        late = at > row["deliver_until"]
        given = _given(connection, row, row["deliver_until"] if late else None)
        needed = max(row["approvals_needed"], int(late))
        if len(given) < needed and by in given:
            raise LedgerError(f"{run_id} needs the approval of two persons: somebody else must give the second one")
        step = min(len(given) + 1, 2)
        _say(connection, row, step, "approved", by=by, at=at)
        if late and step >= needed:
            extended = update(run).where(run.c.run_id == run_id).values(deliver_until=_window_from(row, at))
            connection.execute(extended)
    return approvals(engine, run_id, at=at)


def reject(engine: Engine, run_id: str, *, by: str | None, at: datetime) -> int:
    """A person says no, or (`by` None) nobody answered in time: the run is cancelled. Returns the messages ended."""
    with engine.begin() as connection:
        row = locked(connection, run_id)
        step = min(len(_given(connection, row)) + 1, 2)
        _say(connection, row, step, "rejected" if by else "timed_out", by=by, at=at)
        reason = f"rejected by {by}" if by else "nobody approved it in time"
        return _cancel(connection, run_id, by=by or "approval", reason=reason, at=at)


def _say(connection: Connection, row: RowMapping, step: int, decision: str, *, by: str | None, at: datetime) -> None:
    connection.execute(
        insert(approval).values(
            run_id=row["run_id"],
            step=step,
            decision=decision,
            said_by=by,
            said_at=at,
            audience_sha256=row["audience_sha256"],
            content_sha256=row["content_sha256"],
        )
    )


# What a run says, and to whom


def changes(engine: Engine, run_id: str, shop: Shop) -> list[str]:
    """What is no longer as it was when the run was planned: texts, layouts, pictures, the shop's own words; and any
    message that was changed in the ledger. Empty where all is as it was."""
    with engine.connect() as connection:
        row = connection.execute(select(run).where(run.c.run_id == run_id)).mappings().one()
        found = content_changes(row, shop)
        if audience_sha256(_present(connection, run_id)) != row["audience_sha256"]:
            found.append("the run's messages in the ledger")
    return found


def check(engine: Engine, part: Shard, shop: Shop) -> None:
    """LedgerError where the shard's messages or what they say are no longer those that were planned and approved.

    A shard of which all has left is not asked: nothing more is said in its name.
    """
    waiting = select(message.c.message_id).where(
        message.c.run_id == part.run_id,
        message.c.channel == part.channel,
        message.c.shard == part.number,
        message.c.state.in_((State.PLANNED, State.CLAIMED)),
    )
    with engine.connect() as connection:
        if connection.execute(waiting.limit(1)).first() is None:
            return
        row = connection.execute(select(run).where(run.c.run_id == part.run_id)).mappings().one()
        found = content_changes(row, shop)
        planned = connection.scalar(
            select(shard.c.audience_sha256).where(
                shard.c.run_id == part.run_id, shard.c.channel == part.channel, shard.c.shard == part.number
            )
        )
        if planned != _audience_of(connection, part):
            found.append("the run's messages in the ledger")
    if found:
        raise LedgerError(
            f"{part.run_id}: {', '.join(found)} changed after this run was planned; put it back as it was, or take it "
            f"in (habitue accept {part.run_id}), render again and have it approved"
        )


def content_changes(row: RowMapping, shop: Shop) -> list[str]:
    """What a run would say otherwise now than when it was planned; `row` is the run's."""
    campaign = Campaign.model_validate(row["settings"])
    try:
        files = content_files(campaign, shop)
    except FileNotFoundError as error:
        return [f"{Path(error.filename).name} (it is gone)"]
    found = [name for name in sorted(files.keys() | row["files"].keys()) if files.get(name) != row["files"].get(name)]
    if not found and content_sha256(campaign, files, shop) != row["content_sha256"]:
        found.append("shop.yaml")
    return found


def _audience_of(connection: Connection, part: Shard) -> str | None:
    named = {"run_id": part.run_id, "channel": part.channel, "shard": part.number}
    found: str | None = connection.scalar(statement("ledger/audience"), named)
    return found


def _present(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    rows = connection.execute(
        select(shard.c.channel, shard.c.shard).where(shard.c.run_id == run_id).order_by(shard.c.channel, shard.c.shard)
    ).all()
    return [
        {
            "channel": row.channel,
            "shard": row.shard,
            "audience_sha256": _audience_of(connection, Shard(run_id, Channel(row.channel), row.shard)),
        }
        for row in rows
    ]


def accept(engine: Engine, run_id: str, shop: Shop, *, by: str, at: datetime) -> list[str]:
    """Takes what has changed since the plan into the run, for which it must be approved (again); returns what that is.

    Everything must be rendered again: the shards' content is forgotten. LedgerError where a text is gone.
    """
    changed = changes(engine, run_id, shop)
    if not changed:
        return []
    with engine.begin() as connection:
        row = locked(connection, run_id)
        campaign = Campaign.model_validate(row["settings"])
        try:
            files = content_files(campaign, shop)
        except FileNotFoundError:
            raise LedgerError(f"{run_id}: {', '.join(changed)}; put it back to say anything") from None
        parts = _present(connection, run_id)
        for part in parts:
            connection.execute(
                update(shard)
                .where(shard.c.run_id == run_id, shard.c.channel == part["channel"], shard.c.shard == part["shard"])
                .values(audience_sha256=part["audience_sha256"], content_sha256=None)
            )
        connection.execute(
            update(run)
            .where(run.c.run_id == run_id)
            .values(
                files=files,
                template_sha256=campaign.template_sha256(shop.languages),
                content_sha256=content_sha256(campaign, files, shop),
                audience_sha256=audience_sha256(parts),
                shop=shop.model_dump(mode="json"),
                approvals_needed=func.greatest(run.c.approvals_needed, 1),
                state_by=by,
                state_at=at,
            )
        )
    return changed


# The circuit breaker


def judge(engine: Engine, run_id: str, rules: Breaker, *, at: datetime) -> str | None:
    """Pauses the run where too many messages were refused, bounced or complained about since it was last resumed;
    returns why, or None. Limits: Gmail and Yahoo's sender rules (0.1 and 0.3 % complaints), see `breaker` in shop.yaml.
    """
    with engine.begin() as connection:
        if verdict(fared(connection, run_id), rules) is None or locked(connection, run_id)["state"] != RunState.OPEN:
            return None  # a run that is paused or ended needs no breaker
        why = verdict(fared(connection, run_id), rules)  # once more: it may have been resumed before it was locked
        if why is not None:
            _move(connection, run_id, RunState.PAUSED, by=BREAKER, reason=why, at=at)
        return why


def fared(connection: Connection, run_id: str) -> dict[str, int]:
    """The run's tallies since it was last resumed: what the breaker judges."""
    now = ledger.tallies(connection, run_id)
    before = connection.scalar(select(run.c.judged_from).where(run.c.run_id == run_id)) or {}
    return {name: number - before.get(name, 0) for name, number in now.items()}


def verdict(fared: Mapping[str, int], rules: Breaker) -> str | None:
    """Why sending must stop, from the tallies of a run; None where nothing is out of the ordinary."""
    answered = fared["accepted"] + fared["refused"]
    if answered >= rules.refused_after and fared["refused"] / answered > rules.refused:
        return f"{fared['refused']} of {answered} messages were refused, more than {rules.refused:.1%}"
    left = judged_against(fared, rules)
    if left < rules.after:
        return None
    for name, words, (_, most) in (
        ("hard_bounces", "addresses do not exist", rules.hard_bounces),
        ("complaints", "recipients complained", rules.complaints),
    ):
        if fared[name] / left > most:
            return f"{fared[name]} of {left} {words}, more than {most:.1%}"
    return None


def judged_against(fared: Mapping[str, int], rules: Breaker) -> int:
    """Bounces and complaints are shares of what was delivered; until enough was, of what was accepted. A list of which
    next to nothing arrives must not go on for that reason."""
    return fared["delivered"] if fared["delivered"] >= rules.after else max(fared["delivered"], fared["accepted"])


def warnings(fared: Mapping[str, int], rules: Breaker) -> list[str]:
    """What is worth a look before the breaker has to act."""
    left = judged_against(fared, rules)
    if left < rules.after:
        return []
    levels = (("hard_bounces", rules.hard_bounces[0]), ("complaints", rules.complaints[0]))
    return [f"{name}: {fared[name]} of {left}" for name, warn in levels if fared[name] / left > warn]
