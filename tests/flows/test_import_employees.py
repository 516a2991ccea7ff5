"""Do employees come in from a list, in whatever order they stand there, once, and changed where the list is newer?"""

import asyncio
import csv
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.importing.employees import Summary, import_employees
from services.importing.people import employee_id
from shared.errors import CannotStart
from shared.identity import sign
from tests.flows.served import served
from tests.world import World

HEADERS = ["Agent Id", "Name", "Department", "Role", "Team", "Team lead", "Mentor", "First day"]
STAFF = [
    ["1001", "Chen Jing", "Customer Service", "Agent", "north", "900", "1002", "2024-03-01"],
    ["1002", "Li Na", "客服部", "高级客服专员", "north", "900", "", "2023-01-15"],
    ["900", "Wang Fang", "Customer Service", "Supervisor", "north", "", "", "2020-06-01"],
]


def written(path: Path, rows: Sequence[Sequence[str]], headers: Sequence[str] = HEADERS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([headers, *rows])
    return path


async def imported(world: World, url: str, file: Path, **how: Any) -> Summary:
    token = sign(world.settings, "hr", "service", valid=timedelta(days=3650))
    return await asyncio.to_thread(import_employees, file, settings=world.settings, url=url, token=token, **how)


async def staff(world: World) -> dict[str, dict[str, Any]]:
    items = (await world.as_("hr").get("/recruiting/employees?limit=500")).json()["items"]
    return {item["agent_id"]: item for item in items}


def counts(summary: Summary) -> tuple[int, int, int, int, int]:
    return summary.made, summary.changed, summary.same, summary.repeated, summary.rejected


async def test_people_come_in_leads_first_and_again_changes_nothing(world: World, tmp_path: Path) -> None:
    file = written(tmp_path / "staff.csv", [*STAFF, STAFF[0]])
    async with served(world) as url:
        assert counts(await imported(world, url, file)) == (3, 0, 0, 1, 0)
        found = await staff(world)
        lead, senior, agent = found["900"], found["1002"], found["1001"]
        assert (agent["team_lead_id"], agent["mentor_id"]) == (lead["id"], senior["id"])
        assert (agent["name"], agent["department"], agent["role"], agent["team"], agent["date"]) == (
            "Chen Jing", "customer_service", "agent", "north", "2024-03-01",
        )  # fmt: skip
        assert (senior["department"], senior["role"], lead["role"]) == (
            "customer_service",
            "senior_agent",
            "supervisor",
        )
        assert counts(await imported(world, url, file)) == (0, 0, 3, 1, 0)
        assert await staff(world) == found


async def test_a_newer_list_changes_what_it_says_and_no_more(world: World, tmp_path: Path) -> None:
    async with served(world) as url:
        await imported(world, url, written(tmp_path / "staff.csv", STAFF))
        before = await staff(world)
        newer = written(
            tmp_path / "newer.csv",
            [["1001", "Chen Jing", "agent", "south", ""]],
            ["login", "name", "role", "team", "mentor"],
        )
        assert counts(await imported(world, url, newer)) == (0, 1, 0, 0, 0)
        after = await staff(world)
    assert after["1001"]["team"] == "south"
    assert after["1001"]["mentor_id"] == before["1001"]["mentor_id"], "an empty cell says nothing"
    assert [after[login] for login in ("900", "1002")] == [before[login] for login in ("900", "1002")]


async def test_whoever_was_made_of_a_login_gets_a_name(world: World, tmp_path: Path) -> None:
    made = {"id": str(employee_id("1002")), "agent_id": "1002", "role": "agent", "date": "2024-01-01"}
    entered = {"id": str(uuid4()), "agent_id": "900", "role": "supervisor", "date": "2019-01-01"}
    async with served(world) as url:
        for person in (made, entered):
            assert (await world.as_("hr").post("/recruiting/employees", json=person)).status_code == 201
        assert counts(await imported(world, url, written(tmp_path / "staff.csv", STAFF))) == (1, 2, 0, 0, 0)
        found = await staff(world)
    assert (found["1002"]["id"], found["1002"]["name"], found["1002"]["date"]) == (made["id"], "Li Na", "2024-01-01")
    assert found["1001"]["team_lead_id"] == entered["id"]


async def test_rows_that_cannot_be_taken(world: World, tmp_path: Path) -> None:
    one, two = str(uuid4()), str(uuid4())
    rows = [
        ["", "E1", "Trainer", "", "", "2024-01-01"],
        ["1", "", "", "", "", ""],
        ["2", "", "agent", "nobody", "", ""],
        ["3", "", "agent", "", "", "2024-02-30"],
        ["4", "", "agent", "4", "", ""],
        ["5", "", "agent", "6", "", ""],
        ["6", "", "agent", "", "5", ""],
        ["7", "", "agent", "", "", ""],
        ["7", "", "supervisor", "", "", ""],
        ["8", one, "agent", two, "", ""],
        ["", "", "agent", "", "", ""],
        ["9", "", "agent", "2", "", ""],
    ]
    file = written(tmp_path / "staff.csv", rows, ["login", "employee id", "role", "lead", "mentor", "first day"])
    async with served(world) as url:
        summary = await imported(world, url, file)
        assert counts(summary) == (2, 0, 0, 0, 10)
        assert set(await staff(world)) == {None, "7"}
    with (tmp_path / "staff.rejects.csv").open(encoding="utf-8-sig", newline="") as lines:
        reasons = {int(row["line"]): row["reason"] for row in csv.DictReader(lines)}
    said = {
        3: "the role is missing", 4: "nobody has the login nobody", 5: "first day: impossible date", 6: "themselves",
        7: "in a circle", 8: "in a circle", 10: "as in line 9", 11: "team_lead_id", 12: "login is missing",
        13: "nobody has the login 2",
    }  # fmt: skip
    assert {line: said[line] in reasons[line] for line in said} == dict.fromkeys(said, True), reasons
    assert list(reasons) == sorted(said)


async def test_one_clear_line_when_nothing_can_be_taken(world: World, tmp_path: Path) -> None:
    async with served(world) as url:
        with pytest.raises(CannotStart, match=r"none of 1 rows could be taken.*role is missing"):
            await imported(world, url, written(tmp_path / "staff.csv", [["1", *[""] * 7]]))
        with pytest.raises(CannotStart, match="No column was found for role"):
            await imported(world, url, written(tmp_path / "staff.csv", [["1"]], ["Login"]))
        summary = await imported(world, url, written(tmp_path / "staff.csv", STAFF), dry_run=True)
        assert "dry run" in "\n".join(summary.lines(world.settings))
    assert await staff(world) == {}
