"""Failed audits, on the stage of the faults: the services of the product, and auditors who do not give up.

auditors → serve qa → Kafka → work training (an assignment), work performance (an entry in the ledger)
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from services.performance.commands import verify_appraisals
from services.performance.tables import metadata
from shared import contracts
from shared.contracts.recruiting import EmployeeStarted
from shared.contracts.telephony import CallEnded
from shared.db import Database
from shared.events import Letter
from shared.identity import Role, sign
from shared.kafka import create_topics
from tests.services.qa_help import SHORT
from tests.system.faults.stage import Stage, eventually
from tests.system.processes import PLAIN

AUDITORS = 4
PROCESSES = ("serve qa", "work qa", "work training", "serve performance", "work performance")


class Centre:
    """Employees with calls; `audited` has them audited, each employee's by one auditor, in their order."""

    def __init__(self, stage: Stage, calls: int) -> None:
        self.stage = stage
        self.calls = calls
        self.enough = False
        self.submitted: dict[UUID, list[tuple[UUID, bool]]] = {uuid4(): [] for _ in range(AUDITORS * 2)}
        """Employee → audits whose submission was acknowledged, in that order, and whether they failed."""

    @asynccontextmanager
    async def _client(self, process: str, role: Role) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"Bearer {sign(self.stage.settings, f'the-{role}', role)}"}
        url = self.stage.processes[process].url
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=15, **PLAIN) as client:
            yield client

    async def open(self) -> None:
        """Have the services run, and know employees, calls and a cycle of appraisals."""
        stage, now = self.stage, datetime.now(UTC)
        await create_topics(stage.settings, contracts.TOPICS)
        for name in PROCESSES:
            stage.run(name, *name.split())
        for name in PROCESSES:
            await asyncio.to_thread(stage.processes[name].wait_ready, 120)
        async with self._client("serve performance", "manager") as manager:
            ends = {"from": now - timedelta(days=40), "to": now + timedelta(days=40)}
            cycle = {"code": "now", "kind": "quarterly"} | {name: f"{day:%Y-%m-%d}" for name, day in ends.items()}
            (await manager.post("/performance/cycles", json=cycle)).raise_for_status()
        began = now - timedelta(days=1)
        known = {"department": None, "role": "agent", "team": "north", "team_lead_id": None, "mentor_id": None}
        letters = []
        for who in self.submitted:
            event = EmployeeStarted(employee_id=who, agent_id=f"login-{who}", date=date(2025, 1, 1), **known)
            letters.append(Letter.seal(event, source="recruiting", at=began))
            for n in range(self.calls):
                times = {"started_at": 0, "answered_at": 5, "ended_at": 60}
                call = CallEnded(
                    call_id=f"{who}/{n}", agent_id=f"login-{who}", queue="faults", wait_seconds=5, talk_seconds=55,
                    **{name: began + timedelta(minutes=n, seconds=second) for name, second in times.items()},
                )  # fmt: skip
                letters.append(Letter.seal(call, source="telephony", at=now))
        await stage.publish(letters)

        async def known_everywhere() -> bool:
            [row] = await self._rows(
                "SELECT (SELECT count(*) FROM qa.recordings) AS calls, (SELECT count(*) FROM qa.employees) AS people, "
                "(SELECT count(*) FROM performance.appraisals) AS appraised"
            )
            people = len(self.submitted)
            return bool(tuple(row) == (people * self.calls, people, people))

        await eventually("employees and calls are known", known_everywhere)

    async def audited(self) -> None:
        """Calls of all employees, until it is `enough`; every third audit passes."""
        people = list(self.submitted)
        await asyncio.gather(*(self._auditor(people[n::AUDITORS]) for n in range(AUDITORS)))

    async def _auditor(self, employees: list[UUID]) -> None:
        rows = await self._rows("SELECT id, call_id FROM qa.recordings")
        recordings = {row["call_id"]: str(row["id"]) for row in rows}
        async with self._client("serve qa", "auditor") as client:
            for n in range(self.calls):
                if self.enough:
                    return
                await asyncio.sleep(0.1)
                for who in employees:
                    fails = n % 3 != 2
                    body = {"recording_id": recordings[f"{who}/{n}"], "scorecard": "short"}
                    audit = await self._until_done(client, "POST", "/qa/audits", body)
                    answers = {k: {"value": "no" if fails else "yes", "comment": "heard"} for k in SHORT}
                    path = f"/qa/audits/{audit['id']}"
                    await self._until_done(client, "PUT", f"{path}/answers", {"answers": answers})
                    result = await self._until_done(client, "POST", f"{path}/submit", None)
                    assert result["result"] == ("failed" if fails else "passed")
                    self.submitted[who].append((UUID(audit["id"]), fails))

    async def _until_done(self, client: httpx.AsyncClient, method: str, path: str, body: Any) -> Any:
        key = {"Idempotency-Key": str(uuid4())}
        while True:
            try:
                answer = await client.request(method, path, json=body, headers=key)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.is_success:
                return answer.json()
            assert answer.status_code in (500, 503), answer.text
            await asyncio.sleep(0.05)

    async def damage(self) -> list[str]:
        """What is not as the acknowledged audits say."""
        found = []
        audits = {row["id"]: row for row in await self._rows("SELECT * FROM qa.audits WHERE submitted_at IS NOT NULL")}
        assigned = [row["audit_id"] for row in await self._rows("SELECT audit_id FROM training.coaching_assignments")]
        entered = await self._rows(
            "SELECT e.audit_id, e.kind, a.employee_id FROM performance.ledger_entries e "
            "JOIN performance.appraisals a ON a.id = e.appraisal_id WHERE e.audit_id IS NOT NULL ORDER BY a.id, e.seq"
        )
        every = [audit for told in self.submitted.values() for audit in told]
        if set(audits) != {audit for audit, _ in every}:
            found.append(f"{len(every)} audits acknowledged, {len(audits)} stored")
        if sorted(assigned) != sorted(audit for audit, fails in every if fails):
            found.append(f"{sum(fails for _, fails in every)} audits failed, {len(assigned)} assignments")
        for who, told in self.submitted.items():
            ledger = [row["audit_id"] for row in entered if row["employee_id"] == who]
            if ledger != [audit for audit, _ in told]:
                found.append(f"employee {who}: {len(told)} audits in order, {len(ledger)} entries in another")
        for name in ("qa", "training", "performance"):
            [row] = await self._rows(
                f"SELECT (SELECT count(*) FROM {name}.outbox) AS waiting, "
                f"(SELECT count(*) FROM {name}.dead_letters) AS dead"
            )
            if row["waiting"] or row["dead"]:
                found.append(f"{name}: {row['waiting']} letters wait, {row['dead']} are dead")
        return found

    async def settled(self, seconds: float = 60.0) -> None:
        """Wait until everything is as it should be."""
        deadline = time.monotonic() + seconds
        while found := await self.damage():
            assert time.monotonic() < deadline, "\n".join([*found[:10], *self.stage.happened[-20:]])
            await asyncio.sleep(0.1)

    async def chains_hold(self) -> bool:
        """Whether every appraisal still comes out of its ledger, recomputed (I9)."""
        db = Database("performance", self.stage.server.url, metadata, self.stage.settings)
        async with db.transaction() as tx:
            checked, faults = await verify_appraisals(tx)
        await db.close()
        return checked == len(self.submitted) and not faults

    async def _rows(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(self.stage.server.url)
        try:
            found: list[Any] = await connection.fetch(query)
            return found
        finally:
            await connection.close()
