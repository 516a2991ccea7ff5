"""What do the tests of qa begin with? A small centre: calls, employees, audits."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from shared.contracts.recruiting import EmployeeStarted
from shared.contracts.telephony import CallEnded
from tests.world import World

MORNING = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai
SHORT = ("greeting", "listening", "resolution", "respect", "closing")
"""The criteria of the shipped scorecard `short`: 10, 25, 35, 20 (fatal) and 10."""


def call(call_id: str, agent_id: str | None = "diane", *, answered: bool = True, **more: Any) -> CallEnded:
    started: datetime = more.pop("started_at", MORNING)
    return CallEnded(
        call_id=call_id,
        agent_id=agent_id,
        started_at=started,
        answered_at=started + timedelta(seconds=12) if answered else None,
        ended_at=started + timedelta(minutes=3),
        **{"wait_seconds": 12.25, "talk_seconds": 160.0, "queue": "faults", **more},
    )


def employee(agent_id: str | None, **more: Any) -> EmployeeStarted:
    given = {"employee_id": uuid4(), "role": "agent", "team": "north", "team_lead_id": None, "date": date(2025, 1, 1)}
    return EmployeeStarted(**{"department": None, "mentor_id": None, "agent_id": agent_id, **given, **more})


async def tell(world: World, *calls: CallEnded) -> None:
    await world.deliver("qa", *(world.letter(one) for one in calls))


async def hire(world: World, agent_id: str | None, **more: Any) -> UUID:
    event = employee(agent_id, **more)
    await world.deliver("qa", world.letter(event))
    return event.employee_id


def good(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def refused(response: httpx.Response, status: int) -> Any:
    assert response.headers["content-type"] == "application/problem+json", response.text
    return good(response, status)


async def listed(client: httpx.AsyncClient, path: str, **params: Any) -> list[Any]:
    """All pages."""
    items, cursor = [], None
    while True:
        page = good(await client.get(path, params={**params, **({"cursor": cursor} if cursor else {})}))
        items += page["items"]
        if (cursor := page["next_cursor"]) is None:
            return items


def answers(**values: str) -> dict[str, Any]:
    """Answers to `short`, all yes but for those given."""
    return {"answers": {key: {"value": values.get(key, "yes")} for key in SHORT}}


async def audited(world: World, recording_id: str, *, auditor: str = "ann", **values: str) -> Any:
    """A submitted audit with the scorecard `short`."""
    client = world.as_("auditor", sub=auditor)
    audit = good(await client.post("/qa/audits", json={"recording_id": recording_id, "scorecard": "short"}), 201)
    good(await client.put(f"/qa/audits/{audit['id']}/answers", json=answers(**values)))
    return good(await client.post(f"/qa/audits/{audit['id']}/submit"))


async def events(world: World) -> list[dict[str, Any]]:
    """What waits in the outbox, in order: type, key and body."""
    rows = await world.rows(
        "qa", "SELECT type, key, convert_from(payload, 'UTF8')::jsonb AS body FROM qa.outbox ORDER BY id"
    )
    return [dict(row) for row in rows]
