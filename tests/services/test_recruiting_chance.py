"""Random people do random things, some of them at the same time, on a real PostgreSQL: does what must hold, hold?"""

import asyncio
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.recruiting.domain.steps import AS_A_WHOLE, STEP, Scope
from services.recruiting.domain.walk import Rules, State, open_steps, replay
from tests.recruiting_help import CONTRACT, Office
from tests.world import World

FIELDS: dict[tuple[int, str], dict[str, Any]] = {
    (6, "notified"): {"channel": "sms", "at": "2026-03-03T02:00:00Z", "place": "room 1"},
    (7, "scheduled"): {
        "panel": ["lead-1"], "starts_at": "2026-03-04T02:00:00Z", "ends_at": "2026-03-04T03:00:00Z", "place": "room 1",
    },
    (9, "recorded"): {"documents": {"identity": "received"}},
    (9, "verified"): {"documents": dict.fromkeys(("identity", "education", "employment"), "verified")},
    (9, "mismatch"): {"documents": {"identity": "mismatch"}},
    (12, "offered"): {"expires_on": "2026-03-10"},
    (13, "arranged"): {"team": "a", "starts_on": "2026-03-16"},
    (14, "signed"): CONTRACT,
    (18, "extend"): {"probation_ends_on": "2026-08-15"},
    (19, "signed"): {"kind": "formal", "starts_on": "2026-06-16"},
    (20, "graded"): {"grade": "A", "pay_band": "P"},
    (21, "revised"): {"planned": 1, "actual": 1},
    (22, "revised"): {"planned": 1, "actual": 1},
}  # fmt: skip
Action = tuple[str, int, int, int]
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["go_on"] * 6 + ["anything"] * 2 + ["list", "race", "withdraw", "requisition"]),
        st.integers(0, 3), st.integers(5, 20), st.integers(0, 9),
    ),
    min_size=15, max_size=40,
)  # fmt: skip


class Chance:
    def __init__(self, office: Office, requisition: str, applications: list[str]) -> None:
        self.office = office
        self.requisition = requisition
        self.applications = applications
        self.admin = office.world.as_("admin", sub="root")

    async def post(self, n: int, id: str, outcome: str, who: Any = None) -> int:
        of = "applications" if STEP[n].scope == "application" else "requisitions"
        body = {"outcome": outcome, "reason": "because", **FIELDS.get((n, outcome), {})}
        answer = await (who or self.office.side(n)).post(f"/recruiting/{of}/{id}/steps/{n}", json=body)
        assert answer.status_code in (200, 403, 404, 409, 422), answer.text
        status: int = answer.status_code
        return status

    async def act(self, kind: str, which: int, n: int, pick: int) -> None:
        id = self.applications[which % len(self.applications)]
        found = await self.office.get(f"/applications/{id}")
        match kind:
            case "go_on" if found["next"]:
                step = found["next"][pick % len(found["next"])]
                await self.prepare(id, step["n"], found)
                usual = {12: ["fit", "offered", "accepted"][pick % 3], 15: "passed", 16: "passed", 18: "employ"}
                outcome = usual.get(step["n"], step["outcomes"][0]) if pick < 8 else step["outcomes"][-1]
                await self.post(step["n"], id, outcome)
            case "anything":
                outcome = STEP[n].outcomes[pick % len(STEP[n].outcomes)].key
                who = [self.office.hr, self.office.manager, self.admin, self.office.world.as_("agent")][pick % 4]
                status = await self.post(n, id, outcome, who)
                owner = STEP[n].owner == ("hr" if pick % 4 == 0 else "call_centre")
                assert status == 403 or (owner and pick % 4 < 2) or pick % 4 == 2
            case "list":
                outcomes = ["pass", "reserve", "reject"]
                body = {"decisions": [
                    {"application_id": one, "outcome": outcomes[(pick + i) % 3], "reason": "because"}
                    for i, one in enumerate(self.applications[: 1 + which])
                ]}  # fmt: skip
                path = f"/recruiting/requisitions/{self.requisition}/lists/{(5, 10, 11)[n % 3]}"
                answers = await asyncio.gather(
                    *(self.office.director.post(path, json=body) for _ in range(1 + pick % 2))
                )
                assert sum(answer.is_success for answer in answers) <= 1 or outcomes[pick % 3] == "reserve"
            case "race":
                statuses = await asyncio.gather(
                    *(self.post(11, one, "pass", self.office.director) for one in self.applications)
                )
                assert set(statuses) <= {200, 409}
            case "withdraw" if pick == 0:
                await self.office.hr.post(f"/recruiting/applications/{id}/withdrawal", json={"reason": "because"})
            case "requisition":
                outcomes = ["held", "reopened", "closed"] if pick == 0 else ["reopened"]
                await self.post(1, self.requisition, outcomes[n % len(outcomes)], self.office.director)

    async def prepare(self, id: str, n: int, found: dict[str, Any]) -> None:
        if n == 8:
            for interview in (await self.office.get(f"/applications/{id}/interviews"))["items"]:
                if interview["waiting_for"] and interview["status"] == "scheduled":
                    await self.office.score(interview["id"], "lead-1", 80, 80)

    async def check(self, headcount: int) -> None:
        """What must hold, read off the tables."""
        rows = self.office.world.rows
        requisition = UUID(self.requisition)
        [listed] = await rows("recruiting", "SELECT count(*) AS n FROM recruiting.applications"
                              " WHERE listed AND requisition_id = :id", id=requisition)  # fmt: skip
        assert listed["n"] <= headcount
        [row] = await rows("recruiting", "SELECT * FROM recruiting.requisitions WHERE id = :id", id=requisition)
        parent = await self.same("requisition", row, frozenset())
        for row in await rows(
            "recruiting", "SELECT * FROM recruiting.applications WHERE requisition_id = :id", id=requisition
        ):
            await self.same("application", row, parent.done)

    async def same(self, scope: Scope, row: Any, inherited: frozenset[int]) -> State:
        """The history of a record gives its state, its open steps and its events, each once."""
        own = "application_id = :id" if scope == "application" else "requisition_id = :id AND application_id IS NULL"
        lines = await self.office.world.rows(
            "recruiting", f"SELECT * FROM recruiting.step_history WHERE {own} ORDER BY id", id=row["id"]
        )
        begin = State.begin(scope, row["id"], UUID(self.requisition), inherited)
        state = replay(begin, [(line["step"], line["move"], line["outcome"]) for line in lines])
        assert (state.status, state.done) == (row["status"], frozenset(row["done"]))
        kept = await self.office.world.rows(
            "recruiting", "SELECT step FROM recruiting.open_steps WHERE record_id = :id ORDER BY step", id=row["id"]
        )
        assert tuple(one["step"] for one in kept) == open_steps(state, Rules())
        told = []
        for line in lines:
            if line["outcome"] and line["move"] != "closed":
                n = line["step"]
                outcomes = STEP[n].outcomes if n else AS_A_WHOLE[scope]
                [outcome] = [one for one in outcomes if one.key == line["outcome"]]
                assert not n or line["side"] in (STEP[n].owner, "admin", "system"), "the wrong side"
                if outcome.tells:
                    told.append((n, outcome.key))
        key = "application_id" if scope == "application" else "requisition_id"
        events = [
            (body["step"], body["outcome"]) for kind, body in await self.office.events()
            if kind.startswith(scope) and body.get(key) == str(row["id"])
        ]  # fmt: skip
        assert events == told
        return state


@given(headcount=st.integers(1, 2), actions=ACTIONS)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_whatever_people_do(world: World, headcount: int, actions: list[Action]) -> None:
    office = Office(world)
    await office.crowd()
    requisition = await office.requisition(headcount=headcount)
    chance = Chance(office, requisition, [await office.applied(requisition) for _ in range(4)])
    for id in chance.applications[:3]:  # so that there is something to quarrel about
        await office.step(id, 5, "pass")
        await office.interviewed(id)
    for kind, which, n, pick in actions:
        await chance.act(kind, which, n, pick)
    await chance.check(headcount)
