"""Can scorecards and profiles for interviews be weighed by what experts judged in performance?"""

from decimal import Decimal
from itertools import combinations, permutations
from typing import Any

import pytest

from shared.contracts.performance import WeightingPublished
from shared.ids import new_id
from tests.recruiting_help import PROFILE
from tests.services.qa_help import good, refused
from tests.world import World

BY_EXPERTS = {"code": "complaint_desk", "version": 2}


async def judge(world: World, *ratios: float) -> Any:
    """A version of the shipped index: these comparisons of the first level, the first of each group below twice as
    important as the others."""
    manager = world.as_("manager")
    shipped = good(await manager.get("/performance/weightings"))["items"][-1]["hierarchy"]
    pairs = combinations([node["code"] for node in shipped], 2)
    comparisons = [{"a": a, "b": b, "ratio": ratio} for (a, b), ratio in zip(pairs, ratios, strict=True)] + [
        {"a": node["children"][0]["code"], "b": child["code"], "ratio": 2}
        for node in shipped
        for child in node["children"][1:]
    ]
    judgements = [{"expert": "e1", "comparisons": comparisons}]
    made = await manager.post("/performance/weightings", json={"code": "complaint_desk", "judgements": judgements})
    await world.settle()
    return good(made, 201)


def card(keys: Any, **more: Any) -> dict[str, Any]:
    one = {"name_en": "Yes?", "name_zh": "对?", "competency": "complaints"}
    remark: dict[str, Any] = {"key": "remark", "answer": {"kind": "text"}, **one}
    criteria = [*({"key": key, **one} for key in keys), remark]
    return {
        "code": "desk", "name_en": "Desk", "name_zh": "台", "passing_score": 80, "criteria": criteria,
        "weighed_by": BY_EXPERTS, **more,
    }  # fmt: skip


def profile(keys: Any, **more: Any) -> dict[str, Any]:
    lines = [{"competency": key, "trainability": "easy"} for key in keys]
    return {**PROFILE, "competencies": lines, "weighed_by": BY_EXPERTS, **more}


def weights(scorecard: Any) -> dict[str, Decimal]:
    return {c["key"]: Decimal(str(c["weight"])) for c in scorecard["criteria"] if c["weight"]}


def exactly(level: Any) -> dict[str, Decimal]:
    return {key: Decimal(str(weight)) for key, weight in level.items()}


async def test_from_experts_to_scorecards_and_profiles(world: World) -> None:
    manager, desk = world.as_("manager"), world.as_("call_centre")
    result = (await judge(world, 2, 4, 2))["result"]
    assert len(result["second"]) == 11

    sketch = good(await manager.post("/qa/scorecard-drafts", json=card(result["second"])), 201)
    path = f"/qa/scorecard-drafts/{sketch['id']}"
    assert good(await manager.get(path))["scorecard"]["weighed_by"] == BY_EXPERTS
    published = good(await manager.post(f"{path}/publication", headers={"If-Match": '"1"'}), 201)
    assert weights(published) == exactly(result["second"])
    assert sum(weights(published).values()) == 100
    made = good(await desk.post("/recruiting/job-profiles", json=profile(result["first"])), 201)
    assert {line["competency"]: Decimal(str(line["weight"])) for line in made["competencies"]} == exactly(
        result["first"]
    )

    # What experts think later is another version; what was published keeps its weights and what they are of.
    later = (await judge(world, 1, 1, 1))["result"]
    assert good(await manager.get(f"/qa/scorecards/{published['id']}")) == published
    assert good(await desk.get(f"/recruiting/job-profiles/{made['id']}")) == made
    assert published["weighed_by"] == made["weighed_by"] == BY_EXPERTS
    exported = good(await manager.get(f"/qa/scorecards/{published['id']}/export"))
    again = good(await manager.post("/qa/scorecards", json=exported), 201)
    assert (again["criteria"], again["version"]) == (published["criteria"], 2)
    newer = good(
        await manager.post("/qa/scorecards", json={**exported, "weighed_by": {**BY_EXPERTS, "version": 3}}), 201
    )
    assert weights(newer) == exactly(later["second"]) != exactly(result["second"])

    # Without a weighting all is as before.
    plain = good(await desk.post("/recruiting/job-profiles", json=PROFILE), 201)
    assert (plain["competencies"], plain["weighed_by"]) == (PROFILE["competencies"], None)
    refused(await desk.post("/recruiting/job-profiles", json=profile(result["first"], weighed_by=None)), 422)


async def test_what_does_not_fit_is_named(world: World) -> None:
    manager, desk = world.as_("manager"), world.as_("call_centre")
    result = (await judge(world, 2, 4, 2))["result"]
    first, *lacking = result["second"]
    answers = [
        await manager.post("/qa/scorecards", json=card([*lacking, "smile"])),
        await desk.post("/recruiting/job-profiles", json=profile([*lacking, "smile"])),
    ]
    for answer in answers:
        problem = refused(answer, 422)
        assert [error["message"] for error in problem["errors"]] == [first, "smile"]
        assert f"{first} is missing" in problem["detail"]
        assert "smile" in problem["detail"]
    # Nobody has judged the first version; and names are of one level, not of both.
    unjudged = {"weighed_by": {**BY_EXPERTS, "version": 1}}
    problem = refused(await manager.post("/qa/scorecards", json=card(result["second"], **unjudged)), 422)
    assert "complaint_desk, version 1, is known" in problem["detail"]
    refused(await desk.post("/recruiting/job-profiles", json=profile(result["first"], **unjudged)), 422)
    refused(await desk.post("/recruiting/job-profiles", json=profile([*result["first"], *result["second"]])), 422)


@pytest.mark.parametrize("service", ["qa", "recruiting"])
async def test_any_order_and_any_number_of_times_ends_alike(world: World, service: str) -> None:
    """Two versions, and the first once more after performance was put back to before it: the later one holds."""
    ids = sorted(new_id() for _ in range(3))
    shares = [Decimal(60), Decimal("57.14"), Decimal("12.5")]
    told = [
        world.letter(
            WeightingPublished(
                weighting_id=id,
                code="c",
                version=version,
                first={"a": share, "b": 100 - share},
                second={"a": Decimal(100)},
            )
        )
        for id, version, share in zip(ids, (1, 2, 1), shares, strict=True)
    ]
    ends = []
    for order in permutations(told):
        await world.deliver(service, *order, order[0])
        await world.deliver(service, *order)
        ends.append(await world.rows(service, f"SELECT * FROM {service}.weightings ORDER BY version"))
        await world.rows(service, f"TRUNCATE {service}.weightings, {service}.inbox")
    assert all(end == ends[0] for end in ends)
    assert [(row["id"], row["first"]) for row in ends[0]] == [
        (ids[2], {"a": 12.5, "b": 87.5}), (ids[1], {"a": 57.14, "b": 42.86}),
    ]  # fmt: skip


async def test_those_judged_by_the_release_before_come_as_well(world: World) -> None:
    made = await judge(world, 2, 4, 2)
    await world.rows(
        "performance",
        "INSERT INTO performance.weightings (id, code, version, hierarchy, judgements, result, made_by, made_at) "
        "SELECT :id, code, 3, hierarchy, judgements, result, made_by, made_at FROM performance.weightings "
        "WHERE version = 2",
        id=new_id(),
    )
    await world.turn("performance", "weightings")
    await world.settle()
    third = {"weighed_by": {**BY_EXPERTS, "version": 3}}
    published = good(
        await world.as_("manager").post("/qa/scorecards", json=card(made["result"]["second"], **third)), 201
    )
    assert weights(published) == exactly(made["result"]["second"])
    await world.turn("performance", "weightings")
    assert await world.settle() == 0
