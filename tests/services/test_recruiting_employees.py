"""Employees over HTTP: entering, changing, leaving, who sees whom, and what others hear of it."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.identity import Role
from shared.ids import new_id
from tests.world import World

PATH = "/recruiting/employees"


async def enter(world: World, agent_id: str | None = None, **particulars: Any) -> dict[str, Any]:
    body = {"agent_id": agent_id, "role": "agent", **particulars}
    answer = await world.as_("hr").post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    employee: dict[str, Any] = answer.json()
    return employee


async def published(world: World) -> list[tuple[str, dict[str, Any]]]:
    """Type and body of what waits in the outbox, in order."""
    rows = await world.rows(
        "recruiting", "SELECT type, convert_from(payload, 'UTF8')::jsonb AS body FROM recruiting.outbox ORDER BY id"
    )
    return [(row["type"].removeprefix("recruiting.employee."), row["body"]) for row in rows]


def fields_of(answer: httpx.Response) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


async def test_steps_are_served(world: World) -> None:
    answer = (await world.as_("agent").get("/recruiting/steps")).json()
    assert answer["next_cursor"] is None
    assert [step["n"] for step in answer["items"]] == list(range(1, 23))
    contract = answer["items"][13]
    shown = ("id", "n", "key", "owner", "scope", "record", "name_zh", "before")
    assert {field: contract[field] for field in shown} == {
        "id": "sign_probation_contract",
        "n": 14,
        "key": "sign_probation_contract",
        "owner": "hr",
        "scope": "application",
        "record": "employment",
        "name_zh": "试用期合同签订",
        "before": [12],
    }
    assert [outcome["key"] for outcome in contract["outcomes"]] == ["signed", "reject"]
    assert "probation_ends_on" in contract["fields"]["properties"]


async def test_entering_an_employee(world: World) -> None:
    lead = await enter(world, role="supervisor", name="Zhao Lei")
    answer = await world.as_("call_centre").post(
        PATH, json={"agent_id": "1001", "name": "Li Na", "role": "agent", "team": "a", "team_lead_id": lead["id"]}
    )
    assert answer.status_code == 201
    assert answer.headers["etag"] == '"1"'
    employee = answer.json()
    id = employee["id"]
    assert UUID(id).version == 7
    assert employee == {
        "id": id,
        "employee_id": id,
        "agent_id": "1001",
        "name": "Li Na",
        "department": None,
        "role": "agent",
        "team": "a",
        "team_lead_id": lead["id"],
        "mentor_id": None,
        "date": "2026-03-02",
        "holds_from": "2026-03-02",
        "left_on": None,
        "version": 1,
    }
    assert (await published(world))[1] == (
        "started.v1",
        {
            "employee_id": id,
            "agent_id": "1001",
            "department": None,
            "role": "agent",
            "team": "a",
            "team_lead_id": lead["id"],
            "mentor_id": None,
            "date": "2026-03-02",
            "application_id": None,
            "source_channel": None,
        },
    )
    await world.settle()
    for service in ("training", "performance", "qa"):
        assert len(await world.rows(service, f"SELECT * FROM {service}.employees WHERE agent_id = '1001'")) == 1


async def test_today_is_the_centres(world: World) -> None:
    world.now = world.now.replace(hour=23)  # the next day in Shanghai
    assert (await enter(world))["date"] == "2026-03-03"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "agent"}, "agent_id"),
        ({"agent_id": "", "role": "agent"}, "agent_id"),
        ({"agent_id": "1"}, "role"),
        ({"agent_id": "1", "role": "agent", "date": "2026-02-30"}, "date"),
        ({"agent_id": "1", "role": "agent", "nickname": "x"}, "nickname"),
        ({"agent_id": "1", "role": "agent", "name": "a\u0000b"}, "name"),
        ({"agent_id": "1", "role": "agent", "team_lead_id": str(uuid4())}, "team_lead_id"),
        ({"agent_id": "1", "role": "agent", "mentor_id": str(uuid4())}, "mentor_id"),
    ],
)
async def test_bad_input_is_named(world: World, body: dict[str, Any], field: str) -> None:
    answer = await world.as_("hr").post(PATH, json=body)
    assert answer.status_code == 422
    assert fields_of(answer) == [field]
    assert await published(world) == []


async def test_the_same_id_again_is_the_same_employee(world: World) -> None:
    body = {"id": str(new_id()), "agent_id": "1001", "role": "agent", "team": "a"}
    hr = world.as_("hr")
    assert (await hr.post(PATH, json=body)).status_code == 201
    await hr.patch(f"{PATH}/{body['id']}", json={"team": "b"})
    world.now = world.now.replace(day=9)  # another day is no other body

    again = await hr.post(PATH, json=body)
    assert (again.status_code, again.json()["team"], again.json()["version"]) == (200, "b", 2)
    for other in ({"team": "b"}, {"agent_id": "1002"}, {"date": "2026-03-09"}):
        refused = await hr.post(PATH, json={**body, **other})
        assert refused.status_code == 409
        assert "PATCH" in refused.json()["detail"]
    assert [kind for kind, _ in await published(world)] == ["started.v1", "changed.v1"]


async def test_the_same_id_at_once_is_one_employee(world: World) -> None:
    body = {"id": str(new_id()), "agent_id": "1001", "role": "agent"}
    hr = world.as_("hr")
    answers = await asyncio.gather(*(hr.post(PATH, json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len(await published(world)) == 1


async def test_a_login_has_one_holder(world: World) -> None:
    first = await enter(world, "1001")
    hr = world.as_("hr")
    taken = await hr.post(PATH, json={"agent_id": "1001", "role": "agent"})
    assert taken.status_code == 409
    assert first["id"] in taken.json()["detail"]
    assert "departure" in taken.json()["detail"]

    await hr.post(f"{PATH}/{first['id']}/departure", json={"date": "2026-04-01"})
    early = await hr.post(PATH, json={"agent_id": "1001", "role": "agent", "date": "2026-03-31"})
    assert early.status_code == 409
    assert "2026-04-01" in early.json()["detail"]
    await enter(world, "1001", date="2026-04-01")
    other = await enter(world, "1002")
    assert (await hr.patch(f"{PATH}/{other['id']}", json={"agent_id": "1001"})).status_code == 409


async def test_a_login_that_was_given_up_is_free(world: World) -> None:
    first = await enter(world, "1001")
    await world.as_("hr").patch(f"{PATH}/{first['id']}", json={"agent_id": "2001"})
    await enter(world, "1001")


async def test_a_login_is_taken_until_the_day_on_which_it_is_given_up(world: World) -> None:
    """Also where that day is still to come, and where somebody who was to have it never did."""
    hr = world.as_("hr")

    async def free_from(login: str, day: str, before: str) -> None:
        early = await hr.post(PATH, json={"agent_id": login, "role": "agent", "date": before})
        assert (early.status_code, f"until {day}" in early.json()["detail"]) == (409, True)
        await enter(world, login, date=day)

    one, two, three, four = [(await enter(world, f"100{n}", date="2026-01-05"))["id"] for n in range(4)]
    for id, body in (
        (one, {"agent_id": "2000", "date": "2026-05-01"}),
        (two, {"team": "b", "date": "2026-05-01"}), (two, {"agent_id": "2001", "date": "2026-06-01"}),
        (three, {"agent_id": "2002", "date": "2026-05-01"}), (three, {"agent_id": "3002", "date": "2026-05-01"}),
        (four, {"agent_id": "2003", "date": "2026-05-01"}),
    ):  # fmt: skip
        assert (await hr.patch(f"{PATH}/{id}", json=body)).status_code == 200
    assert (await hr.post(f"{PATH}/{two}/departure", json={"date": "2026-05-15"})).status_code == 200
    assert (await hr.post(f"{PATH}/{four}/departure", json={"date": "2026-04-01"})).status_code == 200
    await free_from("1000", "2026-05-01", "2026-04-30")
    await free_from("1001", "2026-05-15", "2026-05-14")  # gone before the day of the change
    await free_from("2002", "2026-05-01", "2026-03-02")  # others were told that it is somebody's from the first of May
    await free_from("2003", "2026-05-01", "2026-04-01")
    await free_from("1003", "2026-04-01", "2026-03-31")
    assert (await hr.patch(f"{PATH}/{one}", json={"agent_id": "1000"})).status_code == 409  # it has passed on
    assert (await hr.patch(f"{PATH}/{three}", json={"agent_id": "1002"})).status_code == 200  # back to one's own


async def test_a_login_taken_twice_at_once(world: World) -> None:
    hr = world.as_("hr")
    for n in range(5):
        body = {"agent_id": f"100{n}", "role": "agent"}
        answers = await asyncio.gather(*(hr.post(PATH, json=body) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert len(await published(world)) == 5


async def test_changing_an_employee(world: World) -> None:
    mentor = await enter(world)
    id = (await enter(world, "1001", team="a", name="Li Na"))["id"]
    hr = world.as_("hr")
    changed = await hr.patch(
        f"{PATH}/{id}",
        json={"team": "b", "mentor_id": mentor["id"], "date": "2026-03-10"},
        headers={"If-Match": '"1"'},
    )
    assert changed.status_code == 200
    assert changed.headers["etag"] == '"2"'
    assert (changed.json()["team"], changed.json()["date"]) == ("b", "2026-03-02")
    kind, event = (await published(world))[-1]
    assert kind == "changed.v1"
    assert (event["agent_id"], event["team"], event["date"]) == ("1001", "b", "2026-03-10")
    assert event["mentor_id"] == mentor["id"]

    stale = await hr.patch(f"{PATH}/{id}", json={"team": "c"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert (await hr.get(f"{PATH}/{id}")).json() == changed.json()
    cleared = await hr.patch(f"{PATH}/{id}", json={"mentor_id": None}, headers={"If-Match": changed.headers["etag"]})
    assert cleared.json()["mentor_id"] is None


async def test_nothing_new_is_no_change(world: World) -> None:
    id = (await enter(world, "1001", team="a"))["id"]
    hr = world.as_("hr")
    for body in ({}, {"team": "a"}, {"date": "2027-01-01"}):
        answer = await hr.patch(f"{PATH}/{id}", json=body)
        assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert (await hr.patch(f"{PATH}/{id}", json={"name": "Li Na"})).json()["version"] == 2
    assert len(await published(world)) == 1  # a name concerns nobody else


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": None}, "role"),
        ({"left_on": "2026-04-01"}, "left_on"),
        ({"team_lead_id": str(uuid4())}, "team_lead_id"),
        ({"team": "b", "date": "2026-03-01"}, "date"),
    ],
)
async def test_bad_changes_are_named(world: World, body: dict[str, Any], field: str) -> None:
    id = (await enter(world, "1001", team="a"))["id"]
    answer = await world.as_("hr").patch(f"{PATH}/{id}", json=body)
    assert answer.status_code == 422
    assert fields_of(answer) == [field]


async def test_changes_at_once_are_all_kept(world: World) -> None:
    id = (await enter(world, "1001"))["id"]
    hr = world.as_("hr")
    fields = ("team", "department", "name", "role")
    await asyncio.gather(*(hr.patch(f"{PATH}/{id}", json={field: "new"}) for field in fields))
    employee = (await hr.get(f"{PATH}/{id}")).json()
    assert [employee[field] for field in fields] == ["new"] * 4
    assert employee["version"] == 5


async def test_leaving(world: World) -> None:
    id = (await enter(world, "1001"))["id"]
    hr = world.as_("hr")
    for _ in range(2):
        gone = await hr.post(f"{PATH}/{id}/departure", json={"date": "2026-03-31"})
        assert (gone.status_code, gone.json()["left_on"], gone.json()["version"]) == (200, "2026-03-31", 2)
    assert (await published(world))[1:] == [("left.v1", {"employee_id": id, "date": "2026-03-31"})]
    other = await hr.post(f"{PATH}/{id}/departure", json={"date": "2026-04-01"})
    assert other.status_code == 409
    assert "2026-03-31" in other.json()["detail"]


async def test_history_is_kept(world: World) -> None:
    id = (await enter(world, "1001", team="a", name="Li Na"))["id"]
    hr = world.as_("hr", sub="the-second")
    await hr.patch(f"{PATH}/{id}", json={"team": "b"})
    await hr.post(f"{PATH}/{id}/departure", json={"date": "2026-03-31"})
    history = (await world.as_("manager").get(f"{PATH}/{id}/history")).json()["items"]
    assert [(entry["action"], entry["actor"]) for entry in history] == [
        ("started", "the-hr"),
        ("changed", "the-second"),
        ("left", "the-second"),
    ]
    assert history[0]["before"] is None
    assert history[0]["after"]["name"] == "Li Na"
    assert history[1]["before"]["team"] == "a"
    assert history[1]["after"]["team"] == "b"
    assert (await world.as_("agent", sub=id).get(f"{PATH}/{id}/history")).status_code == 403


async def test_who_may_write(world: World) -> None:
    id = (await enter(world, "1001"))["id"]
    readers: tuple[Role, ...] = ("agent", "team_lead", "auditor", "trainer", "manager")
    for role in readers:
        client = world.as_(role, sub=id)
        assert (await client.post(PATH, json={"agent_id": "1", "role": "agent"})).status_code == 403
        assert (await client.patch(f"{PATH}/{id}", json={"team": "b"})).status_code == 403
        assert (await client.post(f"{PATH}/{id}/departure", json={"date": "2026-04-01"})).status_code == 403
    writers: tuple[Role, ...] = ("hr", "call_centre", "service", "admin")
    for role in writers:
        assert (await world.as_(role).patch(f"{PATH}/{id}", json={"team": role})).status_code == 200
    assert (await world.as_().get(PATH)).status_code == 401


async def test_who_sees_whom(world: World) -> None:
    lead = (await enter(world, role="supervisor"))["id"]
    mine = (await enter(world, "1001", team_lead_id=lead))["id"]
    other = (await enter(world, "1002"))["id"]

    async def seen_by(client: httpx.AsyncClient) -> list[str]:
        return [employee["id"] for employee in (await client.get(PATH)).json()["items"]]

    assert await seen_by(world.as_("agent", sub=mine)) == [mine]
    assert await seen_by(world.as_("agent", sub=lead)) == [lead]
    assert await seen_by(world.as_("agent", "team_lead", sub="outsider")) == []
    assert await seen_by(world.as_("team_lead", sub=lead)) == [lead, mine]
    for role in ("manager", "hr", "call_centre", "auditor", "trainer", "service", "admin"):
        assert await seen_by(world.as_(role)) == [lead, mine, other]
    assert (await world.as_("agent", sub=mine).get(f"{PATH}/{mine}")).status_code == 200
    assert (await world.as_("agent", sub=mine).get(f"{PATH}/{other}")).status_code == 404
    assert (await world.as_("team_lead", sub=lead).get(f"{PATH}/{other}")).status_code == 404
    assert (await world.as_("hr").get(f"{PATH}/{uuid4()}")).status_code == 404


async def test_lists_are_filtered_and_paged(world: World) -> None:
    lead = await enter(world, role="supervisor", team="a")
    ids = [(await enter(world, f"100{n}", team="ab"[n % 2], team_lead_id=lead["id"]))["id"] for n in range(5)]
    hr = world.as_("hr")
    await hr.post(f"{PATH}/{ids[0]}/departure", json={"date": "2026-03-09"})

    async def found(**filters: str) -> list[str]:
        return [employee["id"] for employee in (await hr.get(PATH, params=filters)).json()["items"]]

    assert await found(agent_id="1003") == [ids[3]]
    assert await found(team="b") == [ids[1], ids[3]]
    assert await found(role="supervisor") == [lead["id"]]
    assert await found(team_lead_id=lead["id"], employed_on="2026-03-08") == ids
    assert await found(team_lead_id=lead["id"], employed_on="2026-03-09") == ids[1:]
    assert await found(employed_on="2026-03-01") == []

    first = (await hr.get(PATH, params={"limit": 4})).json()
    second = (await hr.get(PATH, params={"limit": 4, "cursor": first["next_cursor"]})).json()
    assert [employee["id"] for employee in first["items"] + second["items"]] == [lead["id"], *ids]
    assert second["next_cursor"] is None
