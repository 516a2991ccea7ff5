"""Are scorecards published in versions that never change?"""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.services.qa_help import good, listed, refused
from tests.world import World


def draft(**more: Any) -> dict[str, Any]:
    one = {"name_en": "Yes?", "name_zh": "对?", "competency": "problem_solving"}
    criteria = [{"key": "a", "weight": 62.5, **one}, {"key": "b", "weight": 37.5, "fatal": True, **one}]
    return {"code": "mine", "name_en": "Mine", "name_zh": "我的", "passing_score": 75, "criteria": criteria, **more}


async def test_three_are_shipped(world: World) -> None:
    found = {one["code"]: one for one in await listed(world.as_("agent"), "/qa/scorecards")}
    assert found.keys() == {"complaint", "service_characteristics", "short"}
    assert (found["short"]["version"], found["short"]["passing_score"]) == (1, 80)
    assert good(await world.as_("agent").get(f"/qa/scorecards/{found['short']['id']}")) == found["short"]


async def test_the_same_code_again_is_the_next_version(world: World) -> None:
    manager = world.as_("manager")
    first = good(await manager.post("/qa/scorecards", json=draft()), 201)
    assert [c["weight"] for c in first["criteria"]] == [62.5, 37.5]
    second = good(await manager.post("/qa/scorecards", json=draft(passing_score=90)), 201)
    assert (first["version"], second["version"], first["published_by"]) == (1, 2, "the-manager")
    assert good(await manager.get(f"/qa/scorecards/{first['id']}")) == first
    assert await listed(manager, "/qa/scorecards", code="mine", limit=1) == [second, first]
    refused(await manager.get(f"/qa/scorecards/{uuid4()}"), 404)


async def test_versions_published_at_once_come_one_after_the_other(world: World) -> None:
    manager = world.as_("manager")
    answers = await asyncio.gather(*(manager.post("/qa/scorecards", json=draft()) for _ in range(5)))
    assert sorted(good(answer, 201)["version"] for answer in answers) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"criteria": []}, "criteria"),
        ({"criteria": draft()["criteria"][:1]}, "criteria"),
        ({"criteria": [draft()["criteria"][0]] * 2}, "criteria"),
        ({"passing_score": 101}, "passing_score"),
        ({"passing_score": 79.999}, "passing_score"),
        ({"code": "has spaces"}, "code"),
        ({"fatal": "sometimes"}, "fatal"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_what_cannot_be_scored_is_refused(world: World, wrong: dict[str, Any], field: str) -> None:
    problem = refused(await world.as_("manager").post("/qa/scorecards", json=draft(**wrong)), 422)
    assert problem["errors"][0]["field"].startswith(field)
    assert len(await listed(world.as_("manager"), "/qa/scorecards")) == 3


async def test_agents_publish_none(world: World) -> None:
    refused(await world.as_("agent").post("/qa/scorecards", json=draft()), 403)


async def test_a_draft_grows_until_it_is_published(world: World) -> None:
    manager = world.as_("manager")
    unfinished = draft(criteria=draft()["criteria"][:1])
    first = await manager.post("/qa/scorecard-drafts", json=unfinished)
    path = f"/qa/scorecard-drafts/{good(first, 201)['id']}"
    problem = refused(await manager.post(f"{path}/publication"), 422)
    assert problem["detail"] == "The weights of the criteria must add up to 100; they add up to 62.5."
    stale = {"If-Match": first.headers["etag"]}
    saved = await manager.put(path, json=draft(), headers=stale)
    assert good(saved)["version"] == 2
    refused(await manager.put(path, json=draft(passing_score=1), headers=stale), 412)
    refused(await manager.post(f"{path}/publication", headers=stale), 412)
    refused(await manager.put(path, json=draft(code="other")), 409)
    assert [one["id"] for one in await listed(manager, "/qa/scorecard-drafts")] == [first.json()["id"]]
    assert good(await manager.get(path)) == saved.json()
    published = good(await manager.post(f"{path}/publication"), 201)
    assert (published["code"], published["version"], published["passing_score"]) == ("mine", 1, 75)
    refused(await manager.get(path), 404)
    refused(await manager.post(f"{path}/publication"), 404)
    refused(await world.as_("agent").post("/qa/scorecard-drafts", json=draft()), 403)


async def test_what_is_exported_can_be_imported(world: World) -> None:
    manager = world.as_("manager")
    question = {"name_en": "?", "name_zh": "?", "competency": "problem_solving", "section": "x"}
    scale = {"kind": "scale", "lowest": 1, "highest": 5}
    written = draft(
        weighting="points", cap=110, fatal="result_fail", not_applicable="full_marks",
        sections=[
            {"key": "x", "name_en": "x", "name_zh": "x"}, {"key": "y", "name_en": "y", "name_zh": "y", "bonus": True},
        ],
        criteria=[
            {**question, "key": "a", "weight": 7, "answer": scale, "help_en": "Listen", "help_zh": "听"},
            {**question, "key": "b", "weight": 3, "shown_if": {"criterion": "a", "values": [1, 2]}, "fails_below": 50},
            {**question, "key": "c", "weight": 2.5, "section": "y", "comment": "on_fail"},
            {**question, "key": "d", "answer": {"kind": "text"}},
        ],
    )  # fmt: skip
    published = good(await manager.post("/qa/scorecards", json=written), 201)
    exported = good(await world.as_("agent").get(f"/qa/scorecards/{published['id']}/export"))
    assert not {"id", "version", "published_at", "published_by"} & exported.keys()
    again = good(await manager.post("/qa/scorecards", json=exported), 201)
    assert again["version"] == 2
    assert good(await manager.get(f"/qa/scorecards/{again['id']}/export")) == exported
    for shipped in await listed(manager, "/qa/scorecards", limit=1):
        whole = good(await manager.get(f"/qa/scorecards/{shipped['id']}/export"))
        good(await manager.post("/qa/scorecards", json=whole), 201)
