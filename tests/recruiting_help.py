"""People of a test that walk the steps of recruiting over HTTP."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from tests.world import World

PROFILE = {
    "key": "agent",
    "title": "Customer service representative",
    "description": "Answers calls.",
    "competencies": [
        {"competency": "service_awareness", "weight": 60, "least": 60, "trainability": "harder"},
        {"competency": "customer_service_knowledge", "weight": 40, "least": 50, "trainability": "easy"},
    ],
}
PLAN = {
    "department": "customer service",
    "role": "agent",
    "headcount": 1,
    "reason": "growth",
    "needed_on": "2026-06-01",
}
CONTRACT = {
    "kind": "labour_with_probation", "starts_on": "2026-03-16", "ends_on": "2029-03-15",
    "probation_ends_on": "2026-06-15", "pay": 6000, "probation_pay": 5000,
}  # fmt: skip


class Office:
    """Both sides of recruiting. Every call has to succeed unless told which status it should have."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.manager = world.as_("call_centre", sub="manager")
        self.director = world.as_("call_centre", sub="director")
        self.hr = world.as_("hr", sub="hr-1")

    async def call(self, who: httpx.AsyncClient, path: str, body: Any, status: int | None = None) -> dict[str, Any]:
        answer = await who.post(f"/recruiting{path}", json=body)
        assert answer.status_code == status if status else answer.is_success, (answer.status_code, answer.text)
        found: dict[str, Any] = answer.json()
        return found

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = await self.hr.get(f"/recruiting{path}", params=query)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def side(self, n: int) -> httpx.AsyncClient:
        """A person of the side that owns this step."""
        return self.hr if n in {2, 4, 6, 7, 9, 12, 14, 16, 19, 20, 22} else self.manager

    async def requisition(self, **plan: Any) -> str:
        """A requisition that takes applications."""
        id = await self.planned(**plan)
        await self.on_requisition(id, 1, "approved", who=self.director)
        profile = await self.call(self.manager, "/job-profiles", PROFILE)
        await self.on_requisition(id, 3, "described", profile_id=profile["id"])
        await self.on_requisition(id, 2, "published", title="Agents wanted", text="Come and answer calls.")
        await self.on_requisition(id, 4, "chosen", channels=[{"channel": "website", "cost": 1200.5}])
        return id

    async def planned(self, **plan: Any) -> str:
        return str((await self.call(self.manager, "/requisitions", {**PLAN, **plan}))["id"])

    async def on_requisition(
        self, id: str, n: int, outcome: str, *, who: httpx.AsyncClient | None = None, status: int | None = None,
        **fields: Any,
    ) -> dict[str, Any]:  # fmt: skip
        return await self.call(
            who or self.side(n), f"/requisitions/{id}/steps/{n}", {"outcome": outcome, **fields}, status
        )

    async def applied(self, requisition: str, **fields: Any) -> str:
        """A candidate whom nobody knows yet."""
        return str((await self.apply(requisition, **fields))["id"])

    async def apply(self, requisition: str, *, status: int | None = None, **fields: Any) -> dict[str, Any]:
        body = {"candidate": {"name": "Li Na", "email": f"{uuid4()}@example.org"}, "channel": "website",
                "consent_until": "2027-03-01", **fields}  # fmt: skip
        return await self.call(self.hr, f"/requisitions/{requisition}/applications", body, status)

    async def step(
        self, id: str, n: int, outcome: str, *, who: httpx.AsyncClient | None = None, status: int | None = None,
        **fields: Any,
    ) -> dict[str, Any]:  # fmt: skip
        told = await self.call(
            who or self.side(n), f"/applications/{id}/steps/{n}", {"outcome": outcome, **fields}, status
        )
        if status is None:  # what the answer says is what is stored
            stored = await self.get(f"/applications/{id}") | {"clashes": told["clashes"]}  # said once, when scheduled
            assert {field: stored[field] for field in told} == told
        return told

    async def lists(
        self, requisition: str, n: int, decisions: Mapping[str, str], *, who: httpx.AsyncClient | None = None,
        status: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        body = {"decisions": [
            {"application_id": id, "outcome": outcome, "reason": None if outcome == "pass" else "not_now"}
            for id, outcome in decisions.items()
        ]}  # fmt: skip
        return await self.call(who or self.side(n), f"/requisitions/{requisition}/lists/{n}", body, status)

    async def interviewed(
        self, id: str, service: float = 80, knowledge: float = 70, panel: tuple[str, ...] = ("lead-1",)
    ) -> None:
        """From 6 to 8: notified, scheduled, scored by all of the panel, passed."""
        await self.step(id, 6, "notified", channel="phone", at="2026-03-03T02:00:00Z", place="room 1")
        await self.step(id, 7, "scheduled", panel=list(panel), starts_at="2026-03-04T02:00:00Z", place="room 1",
                        ends_at="2026-03-04T03:00:00Z", papers=["interview", "written_test"])  # fmt: skip
        [interview] = (await self.get(f"/applications/{id}/interviews"))["items"]
        for member in panel:
            await self.score(interview["id"], member, service, knowledge)
        await self.step(id, 8, "pass")

    async def score(self, interview: str, member: str, service: float, knowledge: float, status: int = 200) -> None:
        sheet = {"scores": {"service_awareness": service, "customer_service_knowledge": knowledge}, "hand_in": True}
        answer = await self.world.as_("call_centre", sub=member).put(
            f"/recruiting/interviews/{interview}/sheet", json=sheet
        )
        assert answer.status_code == status, answer.text

    async def verified(self, id: str) -> None:
        documents = dict.fromkeys(("identity", "education", "employment"), "verified")
        await self.step(id, 9, "verified", documents=documents)

    async def until_list(self, id: str, **scores: float) -> None:
        """From 5 to 10: ready for the hiring list."""
        await self.step(id, 5, "pass")
        await self.interviewed(id, **scores)
        await self.verified(id)
        await self.step(id, 10, "pass")

    async def hired(self, id: str) -> None:
        """From 11 to the accepted offer."""
        await self.step(id, 11, "pass")
        await self.step(id, 12, "fit")
        await self.step(id, 12, "offered", expires_on="2026-03-10")
        await self.step(id, 12, "accepted")

    async def employed(self, id: str, **contract: Any) -> str:
        """13 and 14; the id of the employee."""
        await self.step(id, 13, "arranged", team="a", starts_on="2026-03-16")
        signed = await self.step(id, 14, "signed", **{**CONTRACT, **contract})
        return str(signed["employment"]["employee_id"])

    async def crowd(self) -> None:
        """Open connections for requests at the same time; else the first is done before the others have one."""
        await asyncio.gather(*(self.get("/channels") for _ in range(8)))

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and body of what waits in the outbox, in order."""
        rows = await self.world.rows(
            "recruiting", "SELECT type, convert_from(payload, 'UTF8')::jsonb AS body FROM recruiting.outbox ORDER BY id"
        )
        return [(row["type"].removeprefix("recruiting."), row["body"]) for row in rows]
