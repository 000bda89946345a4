"""Asking a person before a run's messages leave, as a task that parks: it holds no slot while somebody thinks.

The question is the dry run (see `habitue.questions`), the answer is for the audience and the content that it showed,
and is kept in the ledger, which is asked again before every message. What happens here can only let less leave.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import wiring
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput

from habitue import controls
from habitue.controls import Approvals
from habitue.house import House


class Approval(ApprovalOperator):
    """One person's yes or no: the first (`step` 1), or another person's where two must agree (2).

    `run_id` is the run to ask about, or None where there is nothing to ask: an earlier question, a rehearsal.

    Airflow shows a question as it was first put to a task instance, however often that is cleared (3.3.2; mended in
    apache/airflow#73235). So each question is put to an instance of its own: the task is mapped over the questions so
    far and only the last one asks.
    """

    template_fields = ()  # what is asked comes from the ledger: data, never a template

    def __init__(self, *, step: int, run_id: str | None, **kwargs: Any) -> None:
        super().__init__(subject="", **kwargs)
        self.step = step
        self.run_id = run_id

    def execute(self, context: Any) -> None:
        """1. Where the ledger needs nothing of this step (any more), that is all.
        2. Else the question is put, and the task parks with what it asked about."""
        if self.run_id is None:
            return
        house, at = wiring.house(), wiring.now()
        found = controls.approvals(house.engine, self.run_id, at=at)
        if not found.lacks(self.step):
            self.log.info("%s: %s of %s approvals are there", self.run_id, len(found.given), found.needed)
            return
        if wiring.plays_a_demonstration():
            by = f"demonstration {self.step}"
            controls.approve(house.engine, self.run_id, by=by, audience=found.audience, content=found.content, at=at)
            return
        self._ask(context, house, found)

    def execute_complete(self, context: Any, event: dict[str, Any], audience: str = "", content: str = "") -> None:
        """Keeps the answer. A no, or none in time, ends the run; a yes counts for what was shown, and for nothing else;
        the yes of somebody who has said it before is not a second one: the question is put again."""
        if self.run_id is None:
            return
        from habitue.questions import signature

        house, at, user = wiring.house(), wiring.now(), event["responded_by_user"]
        by = signature(user["id"], user["name"]) if user else None
        found = controls.approvals(house.engine, self.run_id, at=at)
        if found.cancelled or (by is None and not found.lacks(self.step)):
            self.log.info("%s: settled meanwhile by other ways", self.run_id)
        elif by is None or event["chosen_options"] != [self.APPROVE]:
            controls.reject(house.engine, self.run_id, by=by, at=at)
            super().execute_complete(context, event)  # skips what follows
        elif by in found.given and found.open:
            self.log.info("%s: the second approval must be another person's; asking again", self.run_id)
            self._ask(context, house, found)
        else:
            controls.approve(house.engine, self.run_id, by=by, audience=audience, content=content, at=at)

    def _ask(self, context: Any, house: House, found: Approvals) -> None:
        if wiring.is_alone(context):
            raise AirflowFailException(
                f"{self.run_id} needs a person's approval, and `airflow dags test` can't wait for one: "
                "trigger the DAG where Airflow's scheduler runs"
            )
        from habitue.questions import approvers, question
        from habitue.recipients import Run

        self.subject, self.body = question(house, str(self.run_id), at=wiring.now())
        rule = Run.of(house.engine, str(self.run_id)).campaign.effective_approval(house.shop)
        self.assigned_users = [{"id": one, "name": one} for one in approvers(rule, found.given)]
        self.response_timeout = timedelta(hours=rule.timeout_hours)
        self.defaults = [self.REJECT]  # nobody answered in time: it is never sent
        if put(self, context) != (self.subject, self.body):
            raise AirflowFailException(
                f"{self.run_id} is no longer what Airflow's page still shows: "
                "clear the task `ask` with what follows it, and it is asked anew"
            )
        raise TaskAwaitingInput(
            method_name="execute_complete",
            timeout=self.response_timeout,
            kwargs={"audience": found.audience, "content": found.content},
        )


def put(task: Approval, context: Any) -> tuple[str, str | None]:
    """Puts the task's question on Airflow's page; returns what stands there now, which may be an older one."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import CreateHITLDetailPayload

    shown = task_runner.SUPERVISOR_COMMS.send(
        CreateHITLDetailPayload(
            ti_id=context["ti"].id,
            options=task.options,
            subject=task.subject,
            body=task.body,
            defaults=task.defaults,
            multiple=False,
            params={},
            assigned_users=task.assigned_users,
        )
    )
    return shown.subject, shown.body
