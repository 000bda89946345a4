"""What came of a date: `summary.json` with every count, the run card, the mails' index.

All of it is read back from the lake and the ledger, so that writing it again gives the same, whatever was retried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import select

from habitue import headlines
from habitue.accounts import Account, crossed, totals
from habitue.desk import Desk
from habitue.house import House
from habitue.lake import Snapshot
from habitue.plans import shards
from habitue.print_room import Letters
from habitue.recipients import Recipient, Run
from habitue.report import words, write_report
from habitue.senders import ListedMail, replace_file, write_index
from habitue.statements import statement
from habitue.tables import Channel, State, run

SAMPLES = 3
"""Letters of a run that the run card shows at most."""
LOOKED_AT = 200
"""Letters of a lot among which samples are sought."""


def write_all(house: House, *, on: date) -> dict[str, Any]:
    """Everything for that date into `house.out`; returns the summary's counts of the runs."""
    snapshot = house.last_snapshot(on)
    with house.engine.connect() as connection:
        ids = connection.execute(select(run.c.run_id).where(run.c.on_date == on).order_by(run.c.run_id)).scalars()
        runs = [Run.of(house.engine, run_id) for run_id in ids]
    summary = {
        "shop": house.shop.name,
        "source": house.source.name,
        "on": on.isoformat(),
        "snapshot": snapshot.id,
        **_base(snapshot),
        "told": _told(house, snapshot),
        "runs": [_run(house, one) for one in runs],
    }
    write_mail_index(house, on)
    _write_json(house.out / "summary.json", summary)
    write_report(summary, house.out, shop=house.shop, pictures=list(_samples(house, runs)))
    return {one["run_id"]: {"planned": one["planned"], "files": one["files"]} for one in summary["runs"]}


def _base(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot's counts, as its manifest and its files have them."""
    import duckdb

    manifest = snapshot.manifest
    figures = manifest["figures"]
    tallies = json.loads((snapshot.path / "validation.json").read_text("utf-8"))["datasets"]
    with duckdb.connect() as duck:
        duck.read_parquet(str(snapshot.customers)).create_view("customers")
        duck.read_parquet(str(snapshot.problems)).create_view("problems")
        duck.read_parquet(str(snapshot.segments)).create_view("segments")
        problems = duck.sql("select rule, count(*) from problems group by rule order by 2 desc, 1").fetchall()
        reachable = duck.sql(
            "select count(*) filter (letter_barrier is null), count(*) filter (email_barrier is null), "
            "count(*) filter (call_barrier is null) from customers"
        ).fetchall()[0]
        groups = duck.sql(
            "select segment, count(*), cast(sum(amount_cents) as bigint) from segments group by segment order by 1"
        ).fetchall()
    return {
        "control": manifest["control"],
        "quarantine": manifest["rejects"],
        "duplicates": {dataset: tally["copies"] for dataset, tally in tallies.items()},
        "published": {dataset: tally["published"] for dataset, tally in tallies.items()},
        "held": {
            "customers": manifest["files"]["customers.parquet"]["rows"],
            "orders": manifest["orders"]["rows"],
            "consents": manifest["files"]["consents.parquet"]["rows"],
        },
        "problems": dict(problems),
        "reachable": dict(zip(("letter", "email", "call"), reachable, strict=True)),
        "segments": {name: {"customers": number, "amount_cents": cents or 0} for name, number, cents in groups},
        "thresholds": figures["thresholds"],
        "movement": {"from": figures["movement_since"], "matrix": figures["movement"]},
    }


def _told(house: House, snapshot: Snapshot) -> dict[str, Any] | None:
    """The figures of the base as they were told of the snapshot's day: those of home and of the quarterly report."""
    with house.engine.connect() as connection:
        return headlines.kept(headlines.headlines(connection, house.shop, on=snapshot.on))


def _run(house: House, one: Run) -> dict[str, Any]:
    with house.engine.connect() as connection:
        found = Account.of(connection, one.run_id)
        row = connection.execute(select(run).where(run.c.run_id == one.run_id)).mappings().one()
        said = connection.execute(statement("report/approvals"), {"run_id": one.run_id}).all()
    messages = found.messages
    states = crossed(messages, "channel", "state")
    standing = {approval.step for approval in said if approval.stands and approval.decision == "approved"}
    gone = {channel: states.get(channel, {}).get(State.ACCEPTED, 0) for channel in Channel}
    return {
        "run_id": one.run_id,
        "campaign": one.campaign.name,
        "title": one.campaign.title,
        "audience": one.audience,
        "planned": one.planned,
        "held_out": one.held_out,
        "excluded": one.excluded,
        "cost_micros": row["cost_micros"],
        "by_segment": crossed(messages, "segment", "channel"),
        "by_arm": crossed(messages, "arm", "channel"),
        "cost_by_channel": totals(messages, "channel", "cost_micros"),
        "held_out_by": totals(found.held_out, "scope", "customers"),
        "exclusions": totals(found.exclusions, "rule", "customers"),
        "states": states,
        "state": {
            "state": row["state"],
            "reason": row["state_reason"],
            "by": row["state_by"],
            "at": _written(row["state_at"]),
        },
        "approvals": {
            "needed": row["approvals_needed"],
            "given": len(standing),
            "said": [
                {
                    "step": approval.step,
                    "decision": approval.decision,
                    "by": approval.said_by,
                    "at": _written(approval.said_at),
                    "stands": approval.stands,
                }
                for approval in said
            ],
        },
        "files": {
            "letters": gone[Channel.LETTER],
            "pages": sum(row.pages for row in messages),
            "emails": gone[Channel.EMAIL],
            "calls": gone[Channel.CALL],
        },
    }


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def write_mail_index(house: House, on: date) -> int:
    """`emails/index.html`: the mails that went into the outbox on that date, each to be looked at."""
    with house.engine.connect() as connection:
        rows = connection.execute(statement("report/mails"), {"on": on}).all()
    if not rows:
        return 0
    return write_index(
        house.out / "emails",
        (ListedMail(str(row.message_id), row.segment, row.campaign) for row in rows),
        shop=house.shop,
    )


def _samples(house: House, runs: list[Run]) -> Iterator[tuple[str, bytes]]:
    """Some letters of each campaign as pictures, each of another group or language; the caption says which."""
    language = house.shop.language
    for one in runs:
        for who, picture in islice(_pictures(house, one), SAMPLES):
            group = words(language)["segments"].get(who.segment, who.segment)
            yield f"{one.campaign.title[language]} · {group} · {who.language}", picture


def _pictures(house: House, one: Run) -> Iterator[tuple[Recipient, bytes]]:
    shown: set[tuple[str, str]] = set()
    for shard in shards(house.engine, one.run_id):
        if shard.channel is not Channel.LETTER:
            continue
        desk = Desk.of(house, shard)
        press = Letters(desk)
        for who in islice(desk.people(shard, State.ACCEPTED, State.CLAIMED, State.PLANNED), LOOKED_AT):
            if (who.segment, who.language) not in shown:
                shown.add((who.segment, who.language))
                yield who, press.picture(who)


def _write_json(path: Path, content: Any) -> None:
    replace_file(path, (json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n").encode())
