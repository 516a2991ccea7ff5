"""Surveys: one answer each, by those who are asked, that nobody can trace."""

import asyncio
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from tests.services.test_training_learning import _by_hand, course, ok, started
from tests.world import World

QUESTIONS = [
    {"key": "useful", "text": "Useful?"},
    {"key": "which", "text": "Which?", "kind": "choice", "choices": ["a", "b"]},
    {"key": "words", "text": "What else?", "kind": "text"},
]


async def survey(world: World, **more: Any) -> str:
    body = {"kind": "assessment", "title": "Appraisals", "questions": QUESTIONS, "closes_at": "2026-04-01T00:00:00Z"}
    return str((await ok(await world.as_("trainer").post("/training/surveys", json={**body, **more})))["id"])


async def staff(world: World, n: int) -> list[UUID]:
    ids = [uuid4() for _ in range(n)]
    await world.deliver("training", *(world.letter(started(id, date(2020, 1, 1))) for id in ids))
    return ids


async def answer(world: World, id: str, who: UUID, **answers: Any) -> int:
    done = await world.as_("agent", sub=who).put(f"/training/surveys/{id}/answer", json={"answers": answers})
    return done.status_code


async def results(world: World, id: str) -> Any:
    return await ok(await world.as_("agent").get(f"/training/surveys/{id}/results"), 200)


async def test_results_show_with_five_and_move_on_in_fives(world: World) -> None:
    id, people = await survey(world), await staff(world, 10)
    for n, who in enumerate(people[:4]):
        assert await answer(world, id, who, useful=n + 1, which=0, words=f"word {9 - n}") == 200
    assert (await results(world, id))["n"] is None
    assert (await results(world, id))["questions"] == []
    assert await answer(world, id, people[4], useful=5) == 200
    shown = await results(world, id)
    assert shown["n"] == 5
    assert shown["questions"] == [
        {"key": "useful", "n": 5, "mean": 3, "counts": {"1": 1, "2": 1, "3": 1, "4": 1, "5": 1}, "texts": None},
        {"key": "which", "n": None, "mean": None, "counts": None, "texts": None},  # only four said
        {"key": "words", "n": None, "mean": None, "counts": None, "texts": None},
    ]
    for n, who in enumerate(people[5:], 6):
        assert (await results(world, id))["n"] == 5  # one more answer is not the difference
        assert await answer(world, id, who, useful=1, words=f"more {n}") == 200
    shown = await results(world, id)
    assert (shown["n"], shown["questions"][0]["mean"]) == (10, 2)
    assert shown["questions"][2]["texts"] == sorted(shown["questions"][2]["texts"])


async def test_everybody_answers_once(world: World) -> None:
    id = await survey(world)
    [ann] = await staff(world, 1)
    race = await asyncio.gather(*(answer(world, id, ann, useful=5) for _ in range(5)))
    assert sorted(race) == [200, 409, 409, 409, 409]
    assert await answer(world, id, uuid4(), useful=5) == 403
    [bob] = await staff(world, 1)
    for wrong in ({"useful": 6}, {"useful": "five"}, {"which": 2}, {"words": ""}, {"other": 1}, {}):
        assert await answer(world, id, bob, **wrong) == 422
    world.now = world.now.replace(month=4)
    assert await answer(world, id, bob, useful=5) == 409


async def test_nothing_that_is_stored_links_an_answer_to_a_person(world: World) -> None:
    """In whatever order people answer: names and answers are two sorted lists in one row, and nowhere else."""
    stored = []
    for backwards in (False, True):
        id = await survey(world)
        people = sorted(await staff(world, 3))
        said = list(zip(people, ("a", "b", "c"), strict=True))
        for who, words in reversed(said) if backwards else said:
            assert await answer(world, id, who, words=words) == 200
        rows = await world.rows("training", "SELECT * FROM training.survey_returns WHERE survey_id = :id", id=id)
        [row] = rows
        assert row["answered"] == people
        stored.append(row["answers"])
        for table in ("records", "idempotency_keys", "outbox", "reminders"):
            found = await world.rows(
                "training", f"SELECT count(*) FROM training.{table} AS t WHERE t::text LIKE '%words%b%'"
            )
            assert found[0]["count"] <= (2 if table == "records" else 0)  # the surveys' own questions
    assert stored[0] == stored[1] == [{"words": "a"}, {"words": "b"}, {"words": "c"}]


async def test_only_participants_speak_of_a_course(world: World) -> None:
    made = await ok(await world.as_("trainer").post("/training/courses", json=course("talked", examination={})))
    id = await survey(world, kind="course", course_id=made["id"])
    took_part, only_enrolled = uuid4(), uuid4()
    ids = {who: await _by_hand(world, who, "talked") for who in (took_part, only_enrolled)}
    body = {"enrolment_id": ids[took_part], "score": 10}
    await ok(await world.as_("trainer").post("/training/examinations", json=body))
    assert await answer(world, id, took_part, useful=2) == 200
    assert await answer(world, id, only_enrolled, useful=2) == 403
    wrong = {"kind": "course", "title": "x", "questions": QUESTIONS, "closes_at": "2026-04-01T00:00:00Z"}
    assert (await world.as_("trainer").post("/training/surveys", json=wrong)).status_code == 422
    assert (await world.as_("agent").post("/training/surveys", json={**wrong, "kind": "assessment"})).status_code == 403


async def test_a_survey_that_came_out_low_becomes_a_need(world: World) -> None:
    """Once, when it is closed, out of what is shown of five answers or more, and with nobody's name."""
    questions = [
        {"key": "useful", "text": "Useful?"},
        {"key": "calm", "text": "Do you stay calm?", "competencies": ["self_control"]},
        {"key": "seldom", "text": "Anything else?", "competencies": ["innovation"]},
    ]
    refused = {"kind": "assessment", "title": "x", "closes_at": "2026-04-01T00:00:00Z",
               "questions": [{"key": "w", "text": "?", "kind": "text", "competencies": ["self_control"]}]}  # fmt: skip
    assert (await world.as_("trainer").post("/training/surveys", json=refused)).status_code == 422
    low, few, fine = [await survey(world, title=title, questions=questions) for title in ("low", "few", "fine")]
    people = await staff(world, 7)
    for n, who in enumerate(people):  # the sixth and the seventh are not shown, and do not count
        said = {"useful": 4, "calm": 1 + n % 3} if n < 5 else {"useful": 1, "calm": 5}
        assert await answer(world, low, who, **said, **({"seldom": 1} if n < 4 else {})) == 200
        assert await answer(world, fine, who, useful=3, calm=3) == 200
        if n < 4:
            assert await answer(world, few, who, useful=1, calm=1) == 200

    async def needs() -> Any:
        return (await ok(await world.as_("trainer").get("/training/needs", params={"origin": "survey"}), 200))["items"]

    await world.turn("training", "surveys")
    assert await needs() == []  # open as yet
    world.now = world.now.replace(month=4)
    for _ in range(2):
        await world.turn("training", "surveys")
    [need] = await needs()
    assert (need["title"], need["period"], need["competencies"], need["trainees"]) == (
        "low",
        "2027",
        ["self_control"],
        [],
    )
    assert (need["origin_id"], need["status"], need["by"]) == (low, "collected", "training")
    [calm] = need["evidence"].pop("questions")
    assert need["evidence"] == {"survey_id": low, "answers": 5}
    assert (calm.pop("low"), calm.pop("high")) == (0.3755, 0.9638)  # Wilson, 4 of 5
    assert calm == {"question": "calm", "n": 5, "mean": 1.8, "unhappy": 4, "rate": 0.8}
