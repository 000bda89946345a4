"""On a real Airflow with its scheduler, API and workers people approve, refuse, pause, clear and change their minds."""

from __future__ import annotations

import pytest

from airflow_live import JULY, ON, Live, now, until
from habitue import controls
from habitue.house import House

RUN = f"quarterly_letter:{ON}"


@pytest.mark.alone
def test_people_decide_and_nobody_is_written_to_twice(live: Live) -> None:
    """1. A backfill of July, a run that will be refused and the one that is told of here start together.
    2. The large one waits for two people. A stranger, a viewer and who is not assigned can't answer.
    3. It is paused in the ledger: deliver waits without a slot. Its texts change meanwhile: deliver refuses.
    4. The change is taken in, everything is rendered and asked anew, with the new hashes. Two yeses: it leaves.
    5. Single tasks are cleared: nobody gets a second message.
    """
    backfill = live.ask(
        "admin",
        "POST",
        "/api/v2/backfills",
        {
            "dag_id": "quarterly_letter",
            "from_date": "2026-07-01T00:00:00Z",
            "to_date": "2026-07-02T00:00:00Z",
            "max_active_runs": 1,
            "run_backwards": False,
            "dag_run_conf": {},
        },
    )
    assert backfill.status_code == 200, backfill.text
    refused, run = live.start("private_event"), live.start("quarterly_letter")

    asked = live.question(run, "approve")
    (hashes,) = live.rows("select audience_sha256, content_sha256 from run where run_id = :run", run=RUN)
    assert all(one[:12] in asked for one in hashes)
    assert live.rows("select distinct state from message where run_id = :run", run=RUN) == [("planned",)]
    assert live.answer(None, run, "approve", "Approve") == 401
    for who in ("eve", "clerk", "boss", "admin"):
        assert live.answer(who, run, "approve", "Approve") == 403, who
    assert live.answer("ops1", run, "approve", "Yes") == 400
    live.decide("ops1", run, "approve", "Approve")
    assert live.answer("ops1", run, "approve", "Reject") in (404, 409)  # it is said
    assert "ops1" in live.question(run, "approve_second")
    assert live.answer("ops1", run, "approve_second", "Approve") == 403
    controls.pause(live.engine, RUN, by="boss", reason="wrong telephone", at=now())
    live.decide("boss", run, "approve_second", "Approve")
    until(lambda: set(live.tasks(run, "deliver")) == {"up_for_reschedule"}, "deliver waits")
    assert live.rows("select distinct state from message where run_id = :run", run=RUN) == [("planned",)]

    live.says("+33199000199")
    controls.resume(live.engine, RUN, by="boss", at=now())

    live.question(refused, "approve")  # while deliver waits for its next look
    live.decide("ops1", refused, "approve", "Reject")
    until(lambda: live.state(refused) == "success", "the refused run ends")
    assert set(live.tasks(refused, "deliver")) == {"skipped"}
    evening = f"private_event:{ON}"
    assert live.rows("select state, state_by from run where run_id = :run", run=evening) == [("cancelled", "ops1")]
    assert live.rows("select distinct state from message where run_id = :run", run=evening) == [("cancelled",)]

    until(lambda: set(live.tasks(run, "deliver")) == {"failed"}, "deliver refuses other texts")
    until(lambda: live.state(run) == "failed", "the run has ended")  # else the scheduler still fails what is cleared
    assert live.rows("select distinct state from message where run_id = :run", run=RUN) == [("planned",)]
    assert controls.accept(live.engine, RUN, House.settings(live.settings), by="boss", at=now()) == ["shop.yaml"]
    live.clear(run, "render", below=True)
    anew = live.question(run, "approve", 1)
    (hashes,) = live.rows("select audience_sha256, content_sha256 from run where run_id = :run", run=RUN)
    assert all(one[:12] in anew for one in hashes)
    assert anew != asked
    assert live.tasks(run, "approve") == ["success", "awaiting_input"]  # the first question is not put again
    live.decide("ops1", run, "approve", "Approve", 1)
    live.question(run, "approve_second", 1)
    live.decide("boss", run, "approve_second", "Approve", 1)
    until(lambda: live.state(run) == "success", "the run ends")
    delivered = live.rows("select message_id, state, attempt, settled_at from message where run_id = :run", run=RUN)
    assert {row[1:3] for row in delivered} == {("accepted", 1)}
    said = live.rows("select step, decision, said_by, content_sha256 from approval where run_id = :run", run=RUN)
    assert [one[:3] for one in said] == [(1, "approved", "ops1"), (2, "approved", "boss")] * 2
    assert len({one[3] for one in said[:2]} | {one[3] for one in said[2:]}) == 2

    mails = live.mails
    live.clear(run, "render", "deliver", below=False)
    until(lambda: live.state(run) == "success" and None not in live.tasks(run, "deliver"), "the cleared tasks end")
    assert set(live.tasks(run, "deliver")) == {"success"}
    again = live.rows("select message_id, state, attempt, settled_at from message where run_id = :run", run=RUN)
    assert sorted(again) == sorted(delivered)
    assert live.mails == mails != {}

    found = live.ask("admin", "GET", "/api/v2/dags/quarterly_letter/dagRuns?run_type=backfill").json()["dag_runs"]
    (july,) = [one["dag_run_id"] for one in found]
    rehearsed = f"/api/v2/dags/quarterly_letter/dagRuns/{july}"
    until(lambda: live.state(rehearsed) == "success", "the backfill ends")
    assert set(live.tasks(rehearsed, "render")) == set(live.tasks(rehearsed, "approve")) == {"success"}
    assert set(live.tasks(rehearsed, "deliver")) == {"skipped"}
    july_run = f"quarterly_letter:{JULY}"
    states = live.rows("select state, count(*) > 20 from message where run_id = :run group by 1", run=july_run)
    assert states == [("planned", True)]
