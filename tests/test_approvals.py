"""A person's yes or no: what is asked, of whom, what each answer does, and when messages wait. Airflow itself is fake
here: what it shows, and that it parks."""

# ruff: noqa: F811 - the fixtures of test_runs
from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import approvals
import pytest
import wiring
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, TaskAwaitingInput
from approvals import Approval
from sqlalchemy import URL, text

from conftest import ROOT
from habitue import controls, runs
from habitue.campaigns import find_campaign
from habitue.errors import LedgerError, SendError, Waiting
from habitue.house import House
from habitue.limits import Approval as Rule
from habitue.questions import approvers, question, signature
from habitue.schedules import Schedule
from test_runs import ON, house, night, now  # noqa: F401

RUN = f"quarterly_letter:{ON}"
ANNA, BORIS = {"id": "anna", "name": "anna"}, {"id": "2", "name": "boris"}
ALONE = {"dag_run": SimpleNamespace(triggering_user_name="dag_test")}
HERE = {"dag_run": SimpleNamespace(triggering_user_name="anna"), "ti": SimpleNamespace(map_index=0)}


@pytest.fixture
def page(house: House, monkeypatch: pytest.MonkeyPatch) -> list[Approval]:
    """Airflow's page of required actions: what was put there."""
    shown: list[Approval] = []

    def put(task: Approval, context: Any) -> tuple[str, str | None]:
        shown.append(task)
        return task.subject, task.body

    monkeypatch.setattr(approvals, "put", put)
    monkeypatch.setattr(wiring, "house", lambda: house)
    monkeypatch.setattr(wiring, "now", now)
    return shown


def test_a_run_that_somebody_starts_is_of_the_day_that_a_demonstration_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a day to come: the runs that an asset or a person starts have no logical date."""
    run = SimpleNamespace(logical_date=None, run_after=datetime(2026, 11, 26, 23, 30, tzinfo=UTC))
    assert wiring.run_day({"dag_run": run}) == date(2026, 11, 27)  # by the shop's clock
    monkeypatch.setenv("HABITUE_TODAY", "2027-01-04")
    assert wiring.run_day({"dag_run": run}) == date(2027, 1, 4)


def planned(house: House, *, needed: int, campaign: str = "quarterly_letter") -> list[str]:
    shards = runs.plan(house, campaign, on=ON, at=now())
    with house.engine.begin() as connection:
        connection.execute(text("update run set approvals_needed = :n"), {"n": needed})
    return shards


def task(step: int = 1) -> Approval:
    return Approval(task_id=f"approve_{step}", step=step, run_id=RUN)


def parked(approval: Approval) -> dict[str, Any]:
    """Puts the question; returns what Airflow keeps for the answer."""
    with pytest.raises(TaskAwaitingInput) as waits:
        approval.execute(HERE)
    assert waits.value.method_name == "execute_complete"
    return dict(waits.value.kwargs or {})


def says(choice: str, user: dict[str, str] | None) -> dict[str, Any]:
    """The answer as Airflow hands it to the task; without a user it is its default, after the time-out."""
    return {"chosen_options": [choice], "params_input": {}, "responded_at": now(), "responded_by_user": user}


def ledger(house: House) -> list[tuple[Any, ...]]:
    with house.engine.connect() as connection:
        rows = connection.execute(text("select step, decision, said_by from approval order by approval_id"))
        return [tuple(row) for row in rows]


def left(house: House, shards: list[str]) -> int:
    for shard in shards:
        runs.deliver(house, shard, on=ON, now=now)
    with house.engine.connect() as connection:
        return int(connection.scalar(text("select count(*) from message where state = 'accepted'")) or 0)


def test_a_small_run_asks_nobody(house: House, page: list[Approval]) -> None:
    planned(house, needed=0)
    for step in (1, 2):
        task(step).execute(HERE)
    assert page == []
    assert ledger(house) == []


def test_an_earlier_question_and_a_rehearsal_ask_nobody(page: list[Approval]) -> None:
    Approval(task_id="approve", step=1, run_id=None).execute(HERE)
    Approval(task_id="approve", step=1, run_id=None).execute_complete(HERE, says("Reject", None))
    assert page == []


def test_a_large_run_parks_and_a_yes_lets_it_leave(house: House, page: list[Approval]) -> None:
    shards = planned(house, needed=1)
    with pytest.raises(Waiting, match="not approved"):
        left(house, shards)
    keep = parked(task())
    (asked,) = page
    assert (asked.subject, asked.body) == question(house, RUN, at=now())
    assert asked.defaults == ["Reject"]
    assert asked.response_timeout == timedelta(hours=house.shop.approval.timeout_hours)
    task().execute_complete(HERE, says("Approve", ANNA), **keep)
    assert ledger(house) == [(1, "approved", "anna")]
    task(2).execute(HERE)  # one was enough
    assert len(page) == 1
    assert left(house, shards) > 0


def test_two_must_be_two_and_who_says_yes_twice_is_asked_to_find_another(house: House, page: list[Approval]) -> None:
    shards = planned(house, needed=2)
    task().execute_complete(HERE, says("Approve", ANNA), **parked(task()))
    task().execute(HERE)  # cleared: the first yes is there
    with pytest.raises(Waiting):
        left(house, shards)
    keep = parked(task(2))
    assert "anna" in str(page[-1].body)
    with pytest.raises(TaskAwaitingInput) as again:
        task(2).execute_complete(HERE, says("Approve", ANNA), **keep)
    task(2).execute_complete(HERE, says("Approve", BORIS), **(again.value.kwargs or {}))
    assert ledger(house) == [(1, "approved", "anna"), (2, "approved", "boris (2)")]
    assert left(house, shards) > 0


@pytest.mark.parametrize(
    ("answer", "decision", "by", "why"),
    [
        (says("Reject", BORIS), "rejected", "boris (2)", "rejected by boris (2)"),
        (says("Reject", None), "timed_out", None, "nobody approved it in time"),
        (says("Approve", None), "timed_out", None, "nobody approved it in time"),
    ],
)
def test_a_no_or_no_answer_in_time_ends_the_run(
    house: House, page: list[Approval], answer: dict[str, Any], decision: str, by: str | None, why: str
) -> None:
    shards = planned(house, needed=1)
    task().execute_complete(HERE, answer, **parked(task()))
    assert ledger(house) == [(1, decision, by)]
    assert why in str(runs.ended(house, shards[0]))
    assert left(house, shards) == 0
    task().execute(HERE)  # cleared afterwards: an ended run asks nobody
    task().execute_complete(HERE, says("Approve", ANNA), audience="x", content="y")  # an answer that came too late
    assert len(page) == 1
    assert left(house, shards) == 0


def test_a_question_that_was_settled_elsewhere_may_time_out(house: House, page: list[Approval]) -> None:
    planned(house, needed=1)
    keep = parked(task())
    controls.approve(house.engine, RUN, by="boris", **keep, at=now())
    task().execute_complete(HERE, says("Reject", None), **keep)
    assert ledger(house) == [(1, "approved", "boris")]


def test_a_yes_is_for_what_was_shown_and_a_change_asks_again(
    house: House, page: list[Approval], monkeypatch: pytest.MonkeyPatch
) -> None:
    from habitue.campaigns import Campaign

    shards = planned(house, needed=1)
    keep = parked(task())
    files = Campaign.template_files
    monkeypatch.setattr(Campaign, "template_files", lambda self, spoken: {**files(self, spoken), "new.fr.j2": "1"})
    assert controls.accept(house.engine, RUN, house.shop, by="anna", at=now()) == ["new.fr.j2"]
    with pytest.raises(LedgerError, match="changed since it was put to approval"):
        task().execute_complete(HERE, says("Approve", ANNA), **keep)
    with pytest.raises(Waiting, match="not approved as it is now"):
        left(house, shards)
    anew = parked(task())
    assert anew["audience"] == keep["audience"]
    assert anew["content"] != keep["content"]
    assert page[0].body != page[1].body
    task().execute_complete(HERE, says("Approve", BORIS), **anew)
    assert left(house, shards) > 0


def test_a_page_that_still_shows_an_older_question_takes_no_answer(
    house: House, page: list[Approval], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(house, needed=1)
    monkeypatch.setattr(approvals, "put", lambda task, context: (task.subject, "an older question"))
    with pytest.raises(AirflowFailException, match="clear the task `ask`"):
        task().execute(HERE)


def test_a_late_run_needs_a_persons_yes_whatever_it_costs(
    house: House, page: list[Approval], monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = planned(house, needed=0)
    later = now() + timedelta(days=30)
    monkeypatch.setattr(wiring, "now", lambda: later)
    with pytest.raises(Waiting, match="comes after its send window"):
        runs.deliver(house, shards[0], on=ON, now=lambda: later)
    keep = parked(task())
    assert "période d’envoi est passée" in str(page[0].body)
    task().execute_complete(HERE, says("Approve", ANNA), **keep)
    assert runs.deliver(house, shards[0], on=ON, now=lambda: later)["accepted"] > 0


def test_airflow_dags_test_asks_nobody_and_says_so(house: House, page: list[Approval]) -> None:
    planned(house, needed=1)
    with pytest.raises(AirflowFailException, match="needs a person's approval"):
        task().execute(ALONE)
    assert page == []


def test_a_demonstration_says_yes_itself_as_long_as_mails_stay_in_the_outbox(
    house: House, page: list[Approval], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(house, needed=2)
    monkeypatch.setenv("HABITUE_DEMONSTRATION", "1")
    monkeypatch.setattr(
        wiring, "shop", lambda: SimpleNamespace(sender=SimpleNamespace(kind="sendgrid"), tz=house.shop.tz)
    )
    with pytest.raises(AirflowFailException):
        task().execute(ALONE)
    monkeypatch.setattr(wiring, "shop", lambda: house.shop)
    for step in (1, 2):
        task(step).execute(ALONE)
    assert ledger(house) == [(1, "approved", "demonstration 1"), (2, "approved", "demonstration 2")]
    assert page == []


# Of whom


def rule(**named: list[str]) -> Rule:
    return Rule(**named)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("named", "given", "asked"),
    [
        (rule(), (), []),
        (rule(), ("anna",), []),
        (rule(assignees=["anna", "boris"]), (), ["anna", "boris"]),
        (rule(assignees=["anna", "boris"]), ("anna",), []),  # anyone else
        (rule(assignees=["anna"], second_assignees=["boris", "anna"]), ("anna",), ["boris"]),
        (rule(assignees=["3", "4"], second_assignees=["3"]), ("clara (3)",), ["4"]),  # clara was first: 4 is second
    ],
)
def test_who_may_answer_next(named: Rule, given: tuple[str, ...], asked: list[str]) -> None:
    assert approvers(named, given) == asked


def test_a_person_whom_airflow_knows_by_a_number_is_named() -> None:
    assert signature("anna", "anna") == "anna"
    assert signature("2", "boris") == "boris (2)"


# What


def test_the_question_is_the_dry_run_and_names_nobody(house: House) -> None:
    planned(house, needed=1)
    subject, body = question(house, RUN, at=now())
    with house.engine.connect() as connection:
        found = connection.execute(text("select * from run")).mappings().one()
        people = connection.execute(
            text("select last_name, email, phone, street from customer join message using (customer_id)")
        )
        words = {one for row in people for one in row if one and len(one) > 5}
    assert len(words) > 100
    assert not [one for one in words if one in subject + body]
    assert f"{found['planned']} messages" in subject
    rows = [line.strip("| ").split(" | ") for line in body.splitlines() if line.startswith("| ")]
    groups = rows[1 : next(n for n, row in enumerate(rows) if row[0] == "**Total**")]
    assert sum(int(row[-1].replace("\u202f", "")) for row in groups) == found["planned"]
    assert f"**{found['excluded']}**" in body
    assert found["audience_sha256"][:12] in body
    assert found["content_sha256"][:12] in body
    assert "/habitue/emails/samples/quarterly_letter-2026-10-01/index.html" in body
    assert question(house, RUN, at=now()) == (subject, body)


def test_the_question_says_why_it_is_asked_and_what_is_odd(house: House) -> None:
    planned(house, needed=2)
    with house.engine.begin() as connection:
        shop = house.shop.model_copy(update={"approval": Rule(recipients=10, second_cost=100)})
        connection.execute(text("update run set shop = :shop"), {"shop": shop.model_dump_json()})
    controls.pause(house.engine, RUN, by="anna", reason="a typing error", at=now())
    body = question(house, RUN, at=now())[1]
    assert "plus de 10." in body
    assert "plus de 100\u00a0€. Deux personnes différentes doivent accepter." in body
    assert "L’envoi est suspendu" in body


def test_samples_are_there_before_anybody_says_yes_and_their_links_unsubscribe_nobody(house: House) -> None:
    planned(house, needed=1)
    campaign = find_campaign("quarterly_letter", house.shop)
    assert runs.ask(house, campaign, on=ON, at=now()) == RUN
    folder = house.out / "emails" / "samples" / "quarterly_letter-2026-10-01"
    mails = sorted(folder.glob("*.eml"))
    assert mails
    assert (folder / "index.html").exists()
    assert (house.out / "report.html").read_text("utf-8").count("data:image/png") >= 2
    assert all(f"{house.shop.sender.unsubscribe_url}sample" in one.read_text("utf-8") for one in mails)
    made = {one.name: one.read_bytes() for one in mails}
    runs.ask(house, campaign, on=ON, at=now())
    assert {one.name: one.read_bytes() for one in folder.glob("*.eml")} == made
    assert not list((house.out / "emails").glob("*.eml"))


def test_no_samples_are_made_where_nobody_is_asked(house: House) -> None:
    planned(house, needed=0)
    runs.ask(house, find_campaign("quarterly_letter", house.shop), on=ON, at=now())
    assert not (house.out / "emails").exists()


# When


def run_of(kind: str, run_after: datetime) -> dict[str, Any]:
    return {"dag_run": SimpleNamespace(run_type=SimpleNamespace(value=kind), run_after=run_after)}


@pytest.mark.parametrize(
    ("kind", "run_after", "rehearses"),
    [
        ("backfill", date(2026, 10, 1), True),
        ("manual", date(2020, 1, 1), False),
        ("asset_triggered", date(2020, 1, 1), False),
        ("scheduled", date(2026, 10, 1), False),
        ("scheduled", date(2026, 7, 1), True),  # the October one is due: July's only catches up
    ],
)
def test_only_a_backfill_and_what_catches_up_rehearse(
    monkeypatch: pytest.MonkeyPatch, kind: str, run_after: date, rehearses: bool
) -> None:
    monkeypatch.setattr(wiring, "now", lambda: datetime(2026, 10, 1, 6, 1, tzinfo=UTC))
    moment = datetime(run_after.year, run_after.month, run_after.day, 6, tzinfo=UTC)
    quarterly = Schedule(cron="0 8 1 1,4,7,10 *", timezone="Europe/Paris")
    assert wiring.is_rehearsal(run_of(kind, moment), quarterly) is rehearses


def test_a_slot_that_comes_late_is_no_rehearsal_until_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = Schedule(cron="0 8 5 * *", timezone="Europe/Paris")
    july = run_of("scheduled", datetime(2026, 7, 5, 6, tzinfo=UTC))
    for moment, rehearses in (
        (datetime(2026, 8, 5, 5, 59, tzinfo=UTC), False),
        (datetime(2026, 8, 5, 6, tzinfo=UTC), True),
    ):
        monkeypatch.setattr(wiring, "now", lambda moment=moment: moment)
        assert wiring.is_rehearsal(july, schedule) is rehearses


def wait_for(waiting: Waiting) -> timedelta:
    with pytest.raises(AirflowRescheduleException) as later, wiring.what_airflow_does(HERE):
        raise waiting
    return later.value.reschedule_date - datetime.now(UTC)


def test_what_waits_looks_again_every_minute_or_when_the_hours_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "now", now)
    assert timedelta(seconds=50) < wait_for(Waiting("paused", why="paused")) <= timedelta(minutes=1)
    morning = now() + timedelta(hours=3)
    assert timedelta(hours=2) < wait_for(Waiting("closed", why="outside_hours", until=morning)) <= timedelta(hours=3)
    with pytest.raises(AirflowFailException, match="waits for nobody"), wiring.what_airflow_does(ALONE):
        raise Waiting("paused", why="paused")


@pytest.mark.parametrize(("permanent", "raised"), [(True, AirflowFailException), (False, SendError)])
def test_a_provider_that_will_never_take_it_is_not_tried_again(permanent: bool, raised: type[Exception]) -> None:
    with pytest.raises(raised, match="wrong key"), wiring.what_airflow_does(HERE):
        raise SendError("wrong key", permanent=permanent)


def test_an_ended_run_says_who_ended_it(house: House) -> None:
    shards = planned(house, needed=0)
    assert runs.ended(house, shards[0]) is None
    controls.cancel(house.engine, RUN, by="anna", reason="wrong prices", at=now())
    assert runs.ended(house, shards[0]) == f"{RUN} is cancelled by anna: wrong prices"


def test_what_a_backfill_planned_stands_in_nobodys_way(house: House) -> None:
    """September's letters were planned in October and will never leave: October's go to everyone all the same."""
    september = ON - timedelta(days=14)
    shards = planned(house, needed=0)
    with house.engine.begin() as connection:
        planned_now = connection.scalar(text("select planned from run"))
        connection.execute(
            text(
                "update run set run_id = 'quarterly_letter:2026-09-17', on_date = :day, "
                "deliver_until = cast(:day as timestamptz) + interval '7 days'"
            ),
            {"day": september},
        )
        connection.execute(
            text("update message set run_id = 'quarterly_letter:2026-09-17', message_id = gen_random_uuid()")
        )
        connection.execute(text("update shard set run_id = 'quarterly_letter:2026-09-17'"))
        connection.execute(text("truncate exclusion, holdout"))
    assert planned(house, needed=0) == shards
    with house.engine.connect() as connection:
        assert connection.scalars(text("select planned from run order by on_date")).all() == [planned_now] * 2


# Through Airflow


@pytest.fixture
def careful_shop(tmp_path: Path) -> Path:
    """The demonstration shop, where more than ten letters need one person's yes and more than twenty two persons'."""
    file = tmp_path / "careful_shop.yaml"
    careful = "shop: {approval: {recipients: 10, second_recipients: 20}}\n"
    file.write_text((ROOT / "include" / "sources" / "demo_shop.yaml").read_text("utf-8") + careful)
    return file


def test_dags_run_on_peoples_answers(
    house: House, careful_shop: Path, airflow_database: Callable[[str], URL], exports: Path
) -> None:
    """Each day's run in Airflow: a no, no answer, one person's yes twice before another's; and one that is paused."""
    from habitue.airflow_home import AirflowHome

    runs.plan(house, "winback_calls", on=ON, at=now())
    controls.pause(house.engine, f"winback_calls:{ON}", by="anna", reason="holidays", at=now())
    settings = {
        "HABITUE_SOURCE": str(careful_shop),
        "HABITUE_DATA": str(exports),
        "HABITUE_OUT": str(house.out),
        "HABITUE_DATABASE_URL": house.database_url,
        "HABITUE_SECRET": "for tests only",
        "HABITUE_TODAY": "2026-10-03",
    }
    home = AirflowHome(house.out / "airflow", airflow_database("airflow_approvals"))
    plays = [
        ["2026-10-01", "winback_calls", []],
        ["2026-10-01", "quarterly_letter", [["Reject", "anna"]]],
        ["2026-10-02", "quarterly_letter", [["Reject", None]]],
        ["2026-10-03", "quarterly_letter", [["Approve", "anna"], ["Approve", "anna"], ["Approve", "boris"]]],
    ]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "play_approvals.py"), json.dumps(plays)],
        env=home.environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    waiting, rejected, unheard, approved = json.loads(done.stdout.strip().splitlines()[-1])
    assert waiting["run"] == waiting["deliver"] == ["failed"]
    assert "winback_calls:2026-10-01 is paused (holidays)" in done.stdout
    for one in (rejected, unheard):
        assert one["run"] == one["approve"] == one["report"] == ["success"]
        assert one["approve_second"] == one["deliver"] == ["skipped"]
    assert {state for name, states in approved.items() if name != "unheard" for state in states} == {"success"}
    assert approved["unheard"] == []
    with house.engine.connect() as connection:
        said = connection.execute(text("select run_id, decision, said_by from approval order by approval_id")).all()
        states = connection.execute(text("select run_id, state, count(*) from message group by 1, 2 order by 1")).all()
        planned = connection.scalar(text("select planned from run where run_id = 'quarterly_letter:2026-10-03'"))
    assert [tuple(one) for one in said] == [
        ("quarterly_letter:2026-10-01", "rejected", "anna"),
        ("quarterly_letter:2026-10-02", "timed_out", None),
        ("quarterly_letter:2026-10-03", "approved", "anna"),
        ("quarterly_letter:2026-10-03", "approved", "boris"),
    ]
    assert [one[:2] for one in states] == [
        ("quarterly_letter:2026-10-01", "cancelled"),
        ("quarterly_letter:2026-10-02", "cancelled"),
        ("quarterly_letter:2026-10-03", "accepted"),
        ("winback_calls:2026-10-01", "planned"),
    ]
    assert states[2][2] == planned
