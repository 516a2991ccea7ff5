"""Does an import bring in what a spreadsheet finds in the file, once, and leave aside what is wrong?"""

import asyncio
import csv
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.importing.calls import Summary, import_calls
from services.importing.reading import Options
from shared.errors import CannotStart
from shared.identity import sign
from tests.flows.served import served
from tests.world import KEY, World

HEADERS = (
    "Call Id", "Agent", "Date", "Time", "Topic", "Answered (Y/N)", "Resolved", "Speed of answer in seconds",
    "AvgTalkDuration", "Satisfaction rating",
)  # fmt: skip
SAMPLE = Path(os.environ.get("HEADSET_TEST_CALLS", Path(__file__).parents[3] / "shared/data/calls_2021q1.csv"))
PLACES = 0.000_051
"""Values are shown with four places."""
FIRST, LAST = "2021-01-01", "2021-03-31"


async def imported(world: World, url: str, file: Path, **how: Any) -> Summary:
    token = sign(world.settings, "telephony", "service", valid=timedelta(days=3650))
    return await asyncio.to_thread(import_calls, file, settings=world.settings, url=url, token=token, **how)


def written(path: Path, rows: Iterable[Sequence[str]], headers: Sequence[str] = HEADERS) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([headers, *rows])
    return path


def made_up(n: int, seed: int = 1) -> list[list[str]]:
    """A quarter of calls of the shape of the sample."""
    chance = Random(seed)
    rows = []
    for number in range(n):
        day = date(2021, 1, 1) + timedelta(days=chance.randrange(90))
        clock = f"{chance.randrange(24)}:{chance.randrange(60):02}:{chance.randrange(60):02}"
        answered = chance.random() < 0.8
        row = [f"ID{number:05}", chance.choice(["Ann", "Bo", "Cy"]), f"{day}", clock, "Billing", "NY"[answered]]
        talk = f"0:{chance.randrange(7):02}:{chance.randrange(60):02}"
        known = ["NY"[chance.random() < 0.9], str(chance.randrange(5, 120)), talk, str(chance.randrange(1, 6))]
        rows.append([*row, *(known if answered else ["N", "", "", ""])])
    return rows


def records(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        yield from csv.DictReader(lines)


def spreadsheet(file: Path) -> dict[str, dict[str, tuple[int, float | None]]]:
    """For each agent `n` and the value of each indicator, the plain way."""
    sums: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in records(file):
        mine = sums[row["Agent"]]
        if row["Answered (Y/N)"] == "Y":
            wait = float(row["Speed of answer in seconds"])
            mine["calls_answered"].append(1)
            mine["speed_of_answer"].append(wait)
            mine["answered_within_20s"].append(wait <= 20)
            mine["resolution_rate"].append(row["Resolved"] == "Y")
        if row["Satisfaction rating"]:
            mine["satisfaction"].append(float(row["Satisfaction rating"]))
    return {
        agent: {name: (len(values), sum(values) / len(values)) for name, values in mine.items()}
        for agent, mine in sums.items()
    }


async def values(world: World, agent: str, first: str = FIRST, last: str = LAST) -> dict[str, tuple[int, float | None]]:
    """`n` and value of each indicator, as Headset says them."""
    client = world.as_("manager")
    [employee] = (await client.get("/recruiting/employees", params={"agent_id": agent})).json()["items"]
    asked = {"employee_id": employee["id"], "from": first, "to": last}
    items = (await client.get("/performance/indicators/values", params=asked)).json()["items"]
    return {item["indicator"]: (item["n"], item["value"]) for item in items}


async def recordings(world: World, **asked: str) -> list[dict[str, Any]]:
    client, found, cursor = world.as_("auditor"), [], None
    while True:
        more = {"limit": "500", **asked, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/qa/recordings", params=more)).json()
        found += page["items"]
        if (cursor := page["next_cursor"]) is None:
            return found


async def stored(world: World) -> dict[str, Any]:
    """Everything that an import could change, as rows."""
    tables = {
        "qa": ("recordings", "employees"),
        "performance": ("employees", "employee_logins"),
        "recruiting": ("employees", "employee_history"),
    }
    return {
        f"{service}.{table}": sorted(map(str, await world.rows(service, f"SELECT * FROM {service}.{table}")))
        for service, names in tables.items()
        for table in names
    }


async def equals_the_spreadsheet(world: World, file: Path) -> None:
    for agent, expected in spreadsheet(file).items():
        found = await values(world, agent)
        n, answered = found.pop("calls_answered")
        assert answered == expected["calls_answered"][0]
        assert n >= answered
        for name in ("speed_of_answer", "answered_within_20s", "resolution_rate", "satisfaction"):
            assert found[name] == (expected[name][0], pytest.approx(expected[name][1], abs=PLACES))


@pytest.fixture(params=["generated", "sample"])
def sheet(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A call log without a fault."""
    if request.param == "generated":
        return written(tmp_path / "calls.csv", made_up(400))
    if not SAMPLE.exists():
        pytest.skip("the sample is not here; HEADSET_TEST_CALLS may name it")
    return SAMPLE


async def test_an_import_equals_the_spreadsheet_and_again_changes_nothing(
    world: World, tmp_path: Path, sheet: Path
) -> None:
    how: dict[str, Any] = {"create_employees": True, "options": Options(rejects=tmp_path / "rejects.csv")}
    rows = list(records(sheet))
    agents = {row["Agent"] for row in rows}
    answered = [row["Call Id"] for row in rows if row["Answered (Y/N)"] == "Y"]
    async with served(world) as url:
        first = await imported(world, url, sheet, **how)
        assert (first.rows, first.taken, first.rejected, first.repeated) == (len(rows), len(rows), 0, 0)
        assert first.events == {
            "telephony.call.ended.v1": len(rows),
            "crm.case.resolved.v1": len(answered),
            "crm.satisfaction.rated.v1": len(answered),
        }
        assert (set(first.made), first.unknown, first.trouble) == (agents, [], [])
        assert not how["options"].rejects.exists()
        await equals_the_spreadsheet(world, sheet)
        listed = await recordings(world)
        assert sorted(recording["call_id"] for recording in listed) == sorted(answered)
        assert all(recording["employee_id"] for recording in listed)

        before = await stored(world)
        second = await imported(world, url, sheet, **how)
        assert (second.taken, second.made) == (len(rows), [])
        assert await stored(world) == before
        for service in ("qa", "performance"):  # what was handled is not remembered for ever
            await world.rows(service, f"DELETE FROM {service}.inbox")
        await imported(world, url, sheet, **how)
        assert await stored(world) == before
        await equals_the_spreadsheet(world, sheet)


async def test_bad_rows_are_set_aside_and_the_rest_is_taken(world: World, tmp_path: Path) -> None:
    good = made_up(30)
    bad = [
        ["B1", "Ann", "2021-01-01", "9:00", "t", "Y", "Y", "1,234", "0:01:00", "3"],
        ["B2", "Ann", "2021-02-30", "9:00", "t", "Y", "Y", "12", "0:01:00", "3"],
        ["B3", "", "2021-01-01", "9:00", "t", "Y", "Y", "12", "0:01:00", "3"],
        ["B4", "Ann", "2021-01-01", "9:00", "t", "Y", "Y", "12", "0:01:00", "7"],
        ["B5", "Ann", "2021-01-01"],
        ["=1+1", "Ann", "2021-01-01", "9:00", "t", "perhaps", "Y", "12", "0:01:00", "3"],
    ]
    changed = [*good[0][:4], "another topic", *good[0][5:]]
    file = written(tmp_path / "calls.csv", [*good[:10], *bad, *good[10:], good[3], changed, [""] * 10, []])
    rejects = tmp_path / "calls.rejects.csv"
    async with served(world) as url:
        summary = await imported(world, url, file)
        assert (summary.rows, summary.taken, summary.repeated, summary.rejected) == (38, 30, 1, 7)
        with rejects.open(encoding="utf-8-sig", newline="") as lines:
            head, *kept = csv.reader(lines)
        assert head == ["line", "reason", *HEADERS]
        assert [row[0] for row in kept] == ["12", "13", "14", "15", "16", "17", "39"]
        said = [
            "unknown number format '1,234'",
            "impossible date",
            "agent is missing",
            "rating '7'",
            "3 cells",
            "neither yes",
        ]
        assert all(text in row[1] for text, row in zip([*said, "the same call as in line 2"], kept, strict=True))
        assert [row[2:] for row in kept[:5]] == bad[:5]
        assert kept[5][2] == "'=1+1", "no spreadsheet computes it"
        assert len(await recordings(world)) == sum(row[5] == "Y" for row in good)

        corrected = written(
            tmp_path / "rejects corrected.csv", [[*row[:4], *bad[0][2:4], *row[6:]] for row in kept[1:2]], head
        )
        assert (await imported(world, url, corrected)).taken == 1
        assert [r["call_id"] for r in await recordings(world, call_id="B2")] == ["B2"]

        await imported(world, url, written(file, good))
        assert not rejects.exists(), "nothing is wrong any more"


async def test_a_call_passed_on_belongs_to_both(world: World, tmp_path: Path) -> None:
    one = ["C1", "Ann", "2021-01-01", "9:00:00", "t", "Y", "N", "12", "0:01:00", ""]
    two = ["C1", "Bo", "2021-01-01", "9:02:00", "t", "Y", "Y", "5", "0:02:00", "4"]
    async with served(world) as url:
        summary = await imported(world, url, written(tmp_path / "calls.csv", [one, two]), create_employees=True)
    assert (summary.taken, summary.rejected) == (2, 0)
    assert summary.agents["Ann"].calls == summary.agents["Bo"].calls == 1


async def test_a_corrected_file_replaces_what_an_earlier_one_said(world: World, tmp_path: Path) -> None:
    rows = made_up(60)
    wrong = [[*row[:7], "119", *row[8:]] if row[5] == "Y" else row for row in rows]
    async with served(world) as url:
        await imported(world, url, written(tmp_path / "wrong.csv", wrong), create_employees=True)
        await equals_the_spreadsheet(world, tmp_path / "wrong.csv")
        right = written(tmp_path / "right.csv", rows)
        for _ in range(2):
            await imported(world, url, right, corrected=True)
            await equals_the_spreadsheet(world, right)


async def test_calls_of_unknown_agents_wait_and_are_listed(world: World, tmp_path: Path) -> None:
    rows = made_up(40)
    file = written(tmp_path / "calls.csv", rows)
    async with served(world) as url:
        summary = await imported(world, url, file)
        counts = {agent: sum(row[1] == agent for row in rows) for agent in ("Ann", "Bo", "Cy")}
        assert summary.unknown == sorted(counts, key=lambda agent: -counts[agent])
        assert summary.made == []
        text = "\n".join(summary.lines(world.settings))
        assert f"Ann {counts['Ann']}" in text
        assert "--create-employees" in text
        assert len(await recordings(world, waiting="true")) == sum(row[5] == "Y" for row in rows)

        again = await imported(world, url, file, create_employees=True, team="north")
        assert (set(again.made), again.unknown) == (set(counts), [])
        assert await recordings(world, waiting="true") == []
        staff = (await world.as_("hr").get("/recruiting/employees")).json()["items"]
        first_days = {agent: min(row[2] for row in rows if row[1] == agent) for agent in counts}
        assert {person["agent_id"]: person["date"] for person in staff} == first_days
        assert {(p["department"], p["role"], p["team"]) for p in staff} == {("customer_service", "agent", "north")}
        await equals_the_spreadsheet(world, file)


async def test_chinese_file_of_another_system(world: World, tmp_path: Path) -> None:
    headers = [
        "流水号",
        "坐席",
        "开始时间",
        "业务类型",
        "是否接通",
        "是否解决",
        "等待时长（秒）",
        "通话时长",
        "满意度",
        "备注",
    ]
    rows = [
        ["1001", "张三", "2021/3/1 下午 2:05:00", "合同咨询", "是", "是", "12,5", "2分23秒", "5", "客户说“很好”"],
        ["1002", "李四", "2021年3月1日 14:06", "技术支持", "否", "", "30", "", "", ""],
    ]
    file = tmp_path / "通话记录.csv"
    lines = [";".join(row) for row in [headers, *rows]]
    file.write_text("\r\n".join(lines), encoding="gb18030")
    async with served(world) as url:
        summary = await imported(world, url, file, create_employees=True)
        assert (summary.taken, summary.rejected) == (2, 0)
        assert list(summary.source.columns.unused) == ["备注"]
        [recording] = await recordings(world)
    assert (recording["call_id"], recording["agent_id"], recording["wait_seconds"]) == ("1001", "张三", 12.5)
    assert recording["started_at"] == "2021-03-01T06:05:00Z"
    assert (recording["day"], recording["talk_seconds"]) == ("2021-03-01", 143)


async def test_a_dry_run_sends_nothing(world: World, tmp_path: Path) -> None:
    file = written(
        tmp_path / "calls.csv", [*made_up(20), ["B", "", "2021-01-01", "9:00", "t", "Y", "Y", "1", "1", "3"]]
    )
    summary = await asyncio.to_thread(
        import_calls, file, settings=world.settings, url="http://127.0.0.1:9", dry_run=True
    )
    assert (summary.taken, summary.rejected) == (20, 1)
    assert (tmp_path / "calls.rejects.csv").exists()
    assert "dry run" in "\n".join(summary.lines(world.settings))


async def test_one_clear_line_when_it_cannot_be_done(world: World, tmp_path: Path) -> None:
    file = written(tmp_path / "calls.csv", made_up(5))
    with pytest.raises(CannotStart, match=r"Headset at http://127.0.0.1:9 does not answer.*Is --url right"):
        await imported(world, "http://127.0.0.1:9", file)
    with pytest.raises(CannotStart, match="is no address"):
        await imported(world, "localhost", file)
    async with served(world) as url:
        with pytest.raises(CannotStart, match=r"does not accept the token.*--token"):
            await asyncio.to_thread(import_calls, file, settings=world.settings, url=url, token="nonsense")
        agent = sign(world.settings, "x", "agent")
        with pytest.raises(CannotStart, match=r"does not accept the token.*roles service"):
            await asyncio.to_thread(import_calls, file, settings=world.settings, url=url, token=agent)
        with pytest.raises(CannotStart, match="does not serve /events"):
            await imported(world, f"{url}/docs", file)
        wrong = written(tmp_path / "wrong.csv", [["B", "", "2021-01-01", "9:00", "t", "Y", "Y", "1", "1", "3"]])
        with pytest.raises(CannotStart, match=r"none of 1 rows could be taken\. line 2: .*agent is missing"):
            await imported(world, url, wrong)
        assert (tmp_path / "wrong.rejects.csv").exists()
        with pytest.raises(CannotStart, match="none of 0 rows"):
            await imported(world, url, written(tmp_path / "empty.csv", []))
    assert await recordings(world) == []


async def test_the_key_of_this_installation_is_used(world: World, tmp_path: Path) -> None:
    file = written(tmp_path / "calls.csv", made_up(5))
    data = tmp_path / "data"
    here = world.settings.model_copy(update={"jwt_key": None, "data": data})
    async with served(world) as url:
        with pytest.raises(CannotStart, match="There is no token for"):
            await asyncio.to_thread(import_calls, file, settings=here, url=url)
        data.mkdir()
        (data / "signing.key").write_text(KEY)
        summary = await asyncio.to_thread(import_calls, file, settings=here, url=url)
        with pytest.raises(CannotStart, match="There is no token for"):  # a key of this machine is not for others
            await asyncio.to_thread(import_calls, file, settings=here, url="http://192.0.2.1")
    assert summary.taken == 5


async def test_lost_connections_and_answers_lose_nothing(world: World, tmp_path: Path) -> None:
    """Between both stands somebody who cuts the line, now before the request and now before the answer."""
    file = written(tmp_path / "calls.csv", made_up(1500))
    cuts = iter([3, 1, 4, 2, 5])

    async with served(world) as url:
        port = int(url.rpartition(":")[2])

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", port)
            most = next(cuts, None)

            async def forward() -> None:
                while data := await reader.read(65536):
                    back.write(data)
                    await back.drain()
                back.close()

            async def answer() -> None:
                n = 0
                while data := await there.read(65536):
                    n += 1
                    if n == most:
                        break
                    writer.write(data)
                    await writer.drain()
                writer.close()
                back.close()

            await asyncio.gather(forward(), answer(), return_exceptions=True)

        bad = await asyncio.start_server(relay, "127.0.0.1", 0)
        async with bad:
            through = f"http://127.0.0.1:{bad.sockets[0].getsockname()[1]}"
            summary = await imported(world, through, file, create_employees=True)
        assert next(cuts, None) is None, "every cut was made"
        assert (summary.taken, summary.trouble) == (1500, [])
        await equals_the_spreadsheet(world, file)
