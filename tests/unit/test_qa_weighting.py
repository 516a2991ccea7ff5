"""Do the weightings and policies of scorecards come to what one works out by hand?"""

import random
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.qa.domain.scorecards import Draft, Scorecard, check_scorable, narrowed
from services.qa.domain.scoring import Accuracy, Answer, check_complete, check_known, score
from shared.errors import Invalid

CHOICE: dict[str, Any] = {
    "kind": "choice",
    "options": [
        {"key": key, "name_en": key, "name_zh": key, "points": n} for key, n in (("bad", 0), ("ok", 3), ("good", 4))
    ],
}
SCALE = {"kind": "scale", "lowest": 1, "highest": 5}
BANDS: dict[str, Any] = {
    "kind": "number",
    "bands": [{"below": 20, "points": 10}, {"below": 60, "points": 4}, {"below": None, "points": 0}],
}
TEXT = {"kind": "text"}
NA = "not_applicable"


def one(key: str, weight: float = 0, section: str | None = None, **more: Any) -> dict[str, Any]:
    return {"key": key, "name_en": key, "name_zh": key, "competency": "c", "weight": weight, "section": section, **more}


def part(key: str, weight: float | None = None, **more: Any) -> dict[str, Any]:
    return {"key": key, "name_en": key, "name_zh": key, "weight": weight, **more}


def card(*criteria: dict[str, Any], sections: list[dict[str, Any]] | None = None, **more: Any) -> Scorecard:
    made = Scorecard.model_validate(
        {
            "id": uuid4(), "code": "test", "version": 1, "name_en": "t", "name_zh": "t", "passing_score": 80,
            "sections": sections or [], "criteria": criteria, "published_at": "2026-01-01T00:00:00Z",
            "published_by": "test", **more,
        }
    )  # fmt: skip
    check_scorable(made)
    return made


def given_as(**values: Any) -> dict[str, Answer]:
    return {k: Answer(Decimal(str(v)) if isinstance(v, int | float) else v) for k, v in values.items()}


def points(scorecard: Scorecard, **values: Any) -> Decimal | None:
    return score(scorecard, given_as(**values)).score


# Two sections: a (30) and b (10) in x, c (5) in y.
CRITERIA = (one("a", 30, "x"), one("b", 10, "x"), one("c", 5, "y"))


@pytest.mark.parametrize(
    ("policy", "answers", "expected"),
    [
        # sections 60 and 40: x earned 30 of 40, so 60 · 3/4 = 45; y all of 40
        ("redistributed", "yes no yes", "85.00"),
        # b is out: x earned 30 of 30
        ("redistributed", "yes n/a yes", "100.00"),
        ("redistributed", "no n/a yes", "40.00"),
        # y drops out: x alone, 30 of 40
        ("redistributed", "yes no n/a", "75.00"),
        # b counts as earned: x earned 10 of 40, 60 · 1/4 + 40
        ("full_marks", "no n/a yes", "55.00"),
        # y drops out all the same
        ("full_marks", "yes no n/a", "75.00"),
        ("full_marks", "n/a n/a n/a", None),
        ("redistributed", "n/a n/a n/a", None),
    ],
)
def test_sections_by_hand(policy: str, answers: str, expected: str | None) -> None:
    scorecard = card(*CRITERIA, sections=[part("x", 60), part("y", 40)], weighting="section", not_applicable=policy)
    values = dict(zip("abc", (NA if v == "n/a" else v for v in answers.split()), strict=True))
    assert points(scorecard, **values) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("policy", "answers", "expected"),
    [
        # weights 1 and 4: possible 40 · 1 + 5 · 4 = 60; earned 30 + 20 = 50
        ("redistributed", "yes no yes", "83.33"),
        ("redistributed", "yes yes no", "66.67"),
        # b is out: possible 30 + 20, earned 20
        ("redistributed", "no n/a yes", "40.00"),
        # b counts as earned: possible 60, earned 10 + 20
        ("full_marks", "no n/a yes", "50.00"),
        ("full_marks", "n/a n/a yes", "100.00"),
        ("full_marks", "n/a n/a no", "0.00"),
    ],
)
def test_group_multipliers_by_hand(policy: str, answers: str, expected: str) -> None:
    sections = [part("x", 1), part("y", 4)]
    scorecard = card(*CRITERIA, sections=sections, weighting="group_multiplier", not_applicable=policy)
    values = dict(zip("abc", (NA if v == "n/a" else v for v in answers.split()), strict=True))
    assert points(scorecard, **values) == Decimal(expected)


@pytest.mark.parametrize(
    ("cap", "policy", "answers", "expected"),
    [
        # possible 40, the 5 of c come on top
        (None, "redistributed", "yes no yes", "87.50"),
        (None, "redistributed", "yes yes yes", "100.00"),
        (110, "redistributed", "yes yes yes", "110.00"),
        (120, "redistributed", "yes yes yes", "112.50"),
        (120, "redistributed", "yes yes no", "100.00"),
        (120, "redistributed", "yes n/a yes", "116.67"),
        # what is not applicable is no bonus, and a bonus alone is no score
        (120, "full_marks", "no n/a n/a", "25.00"),
        (120, "redistributed", "n/a n/a yes", None),
    ],
)
def test_points_with_bonus_by_hand(cap: int | None, policy: str, answers: str, expected: str | None) -> None:
    sections = [part("x"), part("y", bonus=True)]
    scorecard = card(*CRITERIA, sections=sections, weighting="points", cap=cap, not_applicable=policy)
    values = dict(zip("abc", (NA if v == "n/a" else v for v in answers.split()), strict=True))
    assert points(scorecard, **values) == (None if expected is None else Decimal(expected))


def test_questions_with_full_marks_by_hand() -> None:
    scorecard = card(one("a", 50), one("b", 30), one("c", 20), not_applicable="full_marks")
    assert points(scorecard, a="no", b=NA, c="yes") == Decimal("50.00")
    assert points(scorecard, a="yes", b="no", c=NA) == Decimal("70.00")


@pytest.mark.parametrize(
    ("key", "value", "expected", "fails"),
    [
        ("choice", "good", "40.00", False), ("choice", "ok", "30.00", True), ("choice", "bad", "0.00", True),
        ("scale", 5, "30.00", False), ("scale", 3, "15.00", False), ("scale", 1, "0.00", True),
        ("number", 19.99, "30.00", False), ("number", 20, "12.00", False), ("number", 60, "0.00", True),
    ],
)  # fmt: skip
def test_answer_kinds_by_hand(key: str, value: Any, expected: str, fails: bool) -> None:
    """A choice of at most 4 points and weight 40, failed below 80 %; a scale from 1 to 5 and bands, of 30 each."""
    scorecard = card(
        one("choice", 40, answer=CHOICE, fails_below=80), one("scale", 30, answer=SCALE),
        one("number", 30, answer=BANDS), one("text", answer=TEXT),
    )  # fmt: skip
    worst = given_as(choice="bad", scale=1, number=99, text="said 你好") | given_as(**{key: value})
    outcome = score(scorecard, worst)
    assert outcome.score == Decimal(expected)
    assert (key in {c.key for c in outcome.failed}) == fails
    assert "text" not in outcome.marks


@pytest.mark.parametrize(
    ("fatal", "raw", "counts", "result", "critical"),
    [
        ("score_zero", "92.50", "0.00", "failed", ("b",)),
        ("result_fail", "92.50", "92.50", "failed", ("b",)),
        # section x earns nothing, y all of its 70
        ("section_zero", "92.50", "70.00", "failed", ()),
    ],
)
def test_fatal_policies_by_hand(fatal: str, raw: str, counts: str, result: str, critical: tuple[str, ...]) -> None:
    criteria = (one("a", 30, "x"), one("b", 10, "x", fatal=True), one("c", 5, "y"))
    scorecard = card(*criteria, sections=[part("x", 30), part("y", 70)], weighting="section", fatal=fatal)
    outcome = score(scorecard, given_as(a="yes", b="no", c="yes"))
    assert (outcome.raw_score, outcome.score, outcome.result) == (Decimal(raw), Decimal(counts), result)
    assert (outcome.critical_errors, outcome.fatal_hit) == (critical, True)
    spared = score(scorecard, given_as(a="yes", b=NA, c="yes"))
    assert (spared.score, spared.result, spared.fatal_hit) == (Decimal("100.00"), "passed", False)


def test_where_only_a_section_falls_the_score_decides() -> None:
    criteria = (one("a", 30, "x", fatal=True), one("c", 5, "y"))
    sections = [part("x", 30), part("y", 70)]
    scorecard = card(*criteria, sections=sections, weighting="section", fatal="section_zero", passing_score=70)
    outcome = score(scorecard, given_as(a="no", c="yes"))
    assert (outcome.score, outcome.result, outcome.fatal_hit) == (Decimal("70.00"), "passed", True)


ASKED = card(
    one("valid", 50), one("explained", 30, shown_if={"criterion": "valid", "values": ["no"]}),
    one("accepted", 20, shown_if={"criterion": "explained", "values": ["yes", NA]}), not_applicable="full_marks",
)  # fmt: skip


def test_hidden_answers_do_not_count() -> None:
    """Neither earned nor possible nor full marks; and what hangs on something hidden is hidden too."""
    assert points(ASKED, valid="yes", explained="no", accepted="no") == Decimal("100.00")
    assert points(ASKED, valid="no", explained="yes", accepted="yes") == Decimal("50.00")
    assert points(ASKED, valid="no", explained="no", accepted="yes") == Decimal("0.00")
    assert points(ASKED, valid="no", explained=NA, accepted="no") == Decimal("30.00")
    check_complete(ASKED, given_as(valid="yes"))
    with pytest.raises(Invalid, match="accepted"):
        check_complete(ASKED, given_as(valid="no", explained="yes"))


def test_accuracy_by_error_class() -> None:
    classes = {"a": "customer_critical", "b": "customer_critical", "c": "business_critical", "d": "none"}
    scorecard = card(*(one(key, 25, error_class=name) for key, name in classes.items()))
    outcome = score(scorecard, given_as(a="no", b="yes", c=NA, d="yes"))
    assert outcome.accuracy == {"customer_critical": Accuracy(2, 1), "none": Accuracy(1, 0)}


def test_comments_are_asked_for() -> None:
    scorecard = card(one("a", 50, comment="on_fail"), one("b", 50, comment="required"))
    with pytest.raises(Invalid) as refusal:
        check_complete(scorecard, given_as(a="no", b="yes"))
    assert [error["field"] for error in refusal.value.errors] == ["answers.a.comment", "answers.b.comment"]
    check_complete(scorecard, {"a": Answer("yes"), "b": Answer("yes", comment="well")})


def test_some_criteria_alone() -> None:
    assert points(narrowed(ASKED, {"explained"}), explained="no") == Decimal("0.00")
    sections = [part("x", 60), part("y", 40)]
    alone = narrowed(card(*CRITERIA, sections=sections, weighting="section"), {"a", "b"})
    assert points(alone, a="yes", b="no") == Decimal("75.00")


def waits(key: str, other: str, value: str = "yes") -> dict[str, Any]:
    return one(key, 50, shown_if={"criterion": other, "values": [value]})


@pytest.mark.parametrize(
    ("reason", "draft"),
    [
        ("wait for each other.*: a, b", {"criteria": [waits("a", "b"), waits("b", "a")]}),
        ("wait for each other.*: a", {"criteria": [waits("a", "a"), one("b", 50)]}),
        ("never answered by: maybe", {"criteria": [waits("a", "b", "maybe"), one("b", 50)]}),
        ("nowhere, which is not there", {"criteria": [waits("a", "nowhere"), one("b", 50)]}),
        ("needs a section; a has none", {"weighting": "section", "criteria": [one("a", 1)]}),
        ("needs a section; a has none", {"fatal": "section_zero", "criteria": [one("a", 100, fatal=True)]}),
        (
            "sections must add up to 100; they add up to 99",
            {"weighting": "section", "sections": [part("x", 99)], "criteria": [one("a", 1, "x")]},
        ),
        (
            "need a weight, others have none: y",
            {"weighting": "group_multiplier", "sections": [part("x", 1), part("y", 1)], "criteria": [one("a", 1, "x")]},
        ),
        ("take that of x away", {"sections": [part("x", 1)], "criteria": [one("a", 100, "x")]}),
        ("go with the weighting points only", {"cap": 110, "criteria": [one("a", 100)]}),
        (
            "outside bonus sections",
            {"weighting": "points", "sections": [part("x", bonus=True)], "criteria": [one("a", 1, "x")]},
        ),
        ("weight of a is 0", {"criteria": [one("a", 0), one("b", 100)]}),
        ("weight of a is 5", {"criteria": [one("a", 5, answer=TEXT), one("b", 95)]}),
        ("neither fail nor be fatal", {"criteria": [one("a", answer=TEXT, fatal=True), one("b", 100)]}),
        ("scale of a must rise", {"criteria": [one("a", 100, answer={"kind": "scale", "lowest": 5, "highest": 5})]}),
        (
            "bands of a must rise",
            {"criteria": [one("a", 100, answer={**BANDS, "bands": BANDS["bands"][::-1]})]},
        ),
        (
            "must earn points",
            {"criteria": [one("a", 100, answer={**BANDS, "bands": [{"below": n, "points": 0} for n in (1, None)]})]},
        ),
        (
            "there twice or keep a reserved key: ok",
            {"criteria": [one("a", 100, answer={**CHOICE, "options": [CHOICE["options"][1]] * 2})]},
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_is_refused_with_the_reason(reason: str, draft: dict[str, Any]) -> None:
    made = Draft.model_validate({"code": "x", "name_en": "x", "name_zh": "x", "passing_score": 80, **draft})
    with pytest.raises(Invalid, match=reason):
        check_scorable(made)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("choice", "best"), ("choice", 4), ("scale", 6), ("scale", 2.5), ("scale", "3"), ("number", "3"), ("text", 3)],
)
def test_answers_that_a_criterion_does_not_allow(kind: str, value: Any) -> None:
    answer = {"choice": CHOICE, "scale": SCALE, "number": BANDS, "text": TEXT}[kind]
    scorecard = card(one("a", 0 if kind == "text" else 50, answer=answer), one("b", 100 if kind == "text" else 50))
    with pytest.raises(Invalid, match="cannot be answered so: a"):
        check_known(scorecard, given_as(a=value), "answers")


@st.composite
def cards_with_answers(draw: st.DrawFn) -> tuple[Scorecard, dict[str, Answer]]:
    """Any weighting, policies, kinds and conditions; question weights come to 100 by the last criterion."""
    weighting = draw(st.sampled_from(["question", "section", "group_multiplier", "points"]))
    n = draw(st.integers(2, 8))
    names = [draw(st.sampled_from("xyz")) for _ in range(n)]
    used = sorted(set(names))
    weights = [draw(st.integers(1, 12)) for _ in range(n)]
    if weighting == "question":
        weights[-1] = 100 - sum(weights[:-1])
    shares: list[float | None] = [None] * len(used)
    if weighting == "group_multiplier":
        shares = [draw(st.integers(1, 100)) for _ in used]
    elif weighting == "section":
        shares = [10 for _ in used[:-1]]
        shares.append(100 - 10 * (len(used) - 1))
    criteria, answers = [], {}
    for k in range(n):
        kind, values = draw(
            st.sampled_from([
                ({"kind": "yes_no"}, ["yes", "no"]), (CHOICE, ["bad", "ok", "good"]),
                (SCALE, [Decimal(v) for v in range(1, 6)]), (BANDS, [Decimal(5), Decimal(30), Decimal(70)]),
            ])
        )  # fmt: skip
        more: dict[str, Any] = {"answer": kind, "fatal": draw(st.booleans())}
        if k and draw(st.booleans()):
            more["shown_if"] = {"criterion": f"k{draw(st.integers(0, k - 1))}", "values": [NA]}
        criteria.append(one(f"k{k}", weights[k], names[k], **more))
        answers[f"k{k}"] = Answer(draw(st.sampled_from([*values, NA])))
    scorecard = card(
        *criteria, weighting=weighting, sections=[part(s, w) for s, w in zip(used, shares, strict=True)],
        not_applicable=draw(st.sampled_from(["redistributed", "full_marks"])),
        fatal=draw(st.sampled_from(["score_zero", "result_fail", "section_zero"])),
    )  # fmt: skip
    return scorecard, answers


@given(cards_with_answers(), st.randoms(use_true_random=False))
def test_bounds_and_order(given: tuple[Scorecard, dict[str, Answer]], chance: random.Random) -> None:
    scorecard, answers = given
    outcome = score(scorecard, answers)
    items = list(answers.items())
    chance.shuffle(items)
    assert score(scorecard, dict(items)) == outcome
    if outcome.raw_score is None or outcome.score is None:
        assert (outcome.result, outcome.failed, outcome.fatal_hit) == (None, (), False)
        return
    assert 0 <= outcome.score <= outcome.raw_score <= 100
    if not outcome.fatal_hit:
        assert outcome.score == outcome.raw_score
    elif scorecard.fatal != "section_zero":
        assert outcome.result == "failed"
    assert outcome.marks.keys() >= {c.key for c in outcome.failed}
    assert sum(tally.judged for tally in outcome.accuracy.values()) == len(outcome.marks)
    assert sum(tally.failed for tally in outcome.accuracy.values()) == len(outcome.failed)


@given(cards_with_answers(), st.data())
def test_what_is_hidden_can_be_anything_and_a_better_answer_never_lowers(
    given: tuple[Scorecard, dict[str, Answer]], data: st.DataObject
) -> None:
    scorecard, answers = given
    outcome = score(scorecard, answers)
    judged = outcome.marks.keys()
    hidden = [
        c.key for c in scorecard.criteria
        if c.key not in judged and c.shown_if and answers[c.shown_if.criterion].value != NA
    ]  # fmt: skip
    if hidden:
        key = data.draw(st.sampled_from(hidden))
        assert score(scorecard, {**answers, key: Answer(NA)}) == outcome
        assert score(scorecard, {k: a for k, a in answers.items() if k != key}) == outcome
    yes_no = [c.key for c in scorecard.criteria if c.key in judged and c.answer.kind == "yes_no"]
    assume(yes_no)
    key = data.draw(st.sampled_from(yes_no))
    worse, better = (score(scorecard, {**answers, key: Answer(value)}) for value in ("no", "yes"))
    assert worse.raw_score is not None
    assert better.raw_score is not None
    assert worse.raw_score <= better.raw_score
    assert worse.score <= better.score  # type: ignore[operator]


@given(cards_with_answers(), st.data())
def test_redistribution_is_as_if_the_criterion_were_not_there(
    given: tuple[Scorecard, dict[str, Answer]], data: st.DataObject
) -> None:
    """So one more "not applicable" never changes how the others stand to each other, in any weighting."""
    scorecard, answers = given
    assume(scorecard.not_applicable == "redistributed")
    plain = scorecard.model_copy(
        update={"criteria": tuple(c.model_copy(update={"shown_if": None}) for c in scorecard.criteria)}
    )
    plain._scorer = None
    gone = data.draw(st.sampled_from(sorted(answers)))
    without = narrowed(plain, answers.keys() - {gone})
    left = {key: answer for key, answer in answers.items() if key != gone}
    a, b = score(plain, {**answers, gone: Answer(NA)}), score(without, left)
    assert a[:3] == b[:3]
