"""Does scoring do what scorecards promise?"""

import json
import random
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.qa.domain.scorecards import Criterion, Draft, Scorecard, check_scorable
from services.qa.domain.scoring import Answer, check_complete, score
from shared.errors import Invalid

AT = datetime(2026, 1, 1, tzinfo=UTC)


def criterion(key: str, weight: str | int, **more: object) -> Criterion:
    return Criterion.model_validate(
        {"key": key, "name_en": key, "name_zh": key, "competency": "c", "weight": weight, **more}
    )


def card(*criteria: Criterion, passing: str | int = 80, fatal: str = "score_zero") -> Scorecard:
    return Scorecard.model_validate(
        {
            "id": uuid4(), "code": "test", "version": 1, "name_en": "t", "name_zh": "t", "passing_score": passing,
            "fatal": fatal, "criteria": criteria, "published_at": AT, "published_by": "test",
        }
    )  # fmt: skip


def given_answers(**values: str) -> dict[str, Answer]:
    return {key: Answer(value) for key, value in values.items()}


PLAIN = card(criterion("a", 50), criterion("b", 30), criterion("c", 20))


@pytest.mark.parametrize(
    ("a", "b", "c", "expected", "result"),
    [
        ("yes", "yes", "yes", "100.00", "passed"),
        ("yes", "yes", "no", "80.00", "passed"),  # on the line is over it
        ("yes", "no", "yes", "70.00", "failed"),
        ("no", "no", "no", "0.00", "failed"),
        ("yes", "no", "not_applicable", "62.50", "failed"),  # 50 of the 80 that are left
        ("yes", "not_applicable", "no", "71.43", "failed"),  # 50 of 70
        ("not_applicable", "yes", "no", "60.00", "failed"),  # 30 of 50
        ("not_applicable", "not_applicable", "yes", "100.00", "passed"),
    ],
)
def test_worked_examples(a: str, b: str, c: str, expected: str, result: str) -> None:
    outcome = score(PLAIN, given_answers(a=a, b=b, c=c))
    assert (outcome.raw_score, outcome.score, outcome.result) == (Decimal(expected), Decimal(expected), result)


def test_nothing_applicable_is_neither_0_nor_100() -> None:
    outcome = score(PLAIN, given_answers(a="not_applicable", b="not_applicable", c="not_applicable"))
    assert (outcome.raw_score, outcome.score, outcome.result) == (None, None, None)


@pytest.mark.parametrize(("fatal", "counts"), [("score_zero", "0.00"), ("result_fail", "90.00")])
def test_a_fatal_criterion_fails_the_audit(fatal: str, counts: str) -> None:
    scorecard = card(criterion("polite", 10, fatal=True), criterion("rest", 90), fatal=fatal)
    outcome = score(scorecard, given_answers(polite="no", rest="yes"))
    assert (outcome.raw_score, outcome.score, outcome.result) == (Decimal("90.00"), Decimal(counts), "failed")
    assert outcome.critical_errors == ("polite",)
    outcome = score(scorecard, given_answers(polite="not_applicable", rest="yes"))
    assert (outcome.score, outcome.result, outcome.critical_errors) == (Decimal("100.00"), "passed", ())


def test_rounding_is_half_even_to_two_places() -> None:
    thirds = card(criterion("a", "33.33"), criterion("b", "33.33"), criterion("c", "33.34"))
    assert score(thirds, given_answers(a="yes", b="no", c="not_applicable")).score == Decimal("50.00")
    eighths = card(criterion("a", "0.01"), criterion("b", "79.99"), criterion("c", "20"))
    # 0.01 of 80 are 0.0125 %: up to 0.01; 79.99 of 80 are 99.9875 %: 99.99
    assert score(eighths, given_answers(a="yes", b="no", c="not_applicable")).score == Decimal("0.01")
    tie = card(criterion("a", "0.02"), criterion("b", "15.98"), criterion("c", "84"))
    # 0.02 of 16 are 0.125 %: the even neighbour is 0.12
    assert score(tie, given_answers(a="yes", b="no", c="not_applicable")).score == Decimal("0.12")


def test_the_result_follows_from_the_rounded_score() -> None:
    scorecard = card(criterion("a", "79.99"), criterion("b", "20"), criterion("c", "0.01"), passing=80)
    outcome = score(scorecard, given_answers(a="yes", b="no", c="not_applicable"))  # 79.99 / 99.99 = 79.998 %
    assert (outcome.score, outcome.result) == (Decimal("80.00"), "passed")


def test_a_missing_answer_is_named() -> None:
    with pytest.raises(Invalid) as refusal:
        check_complete(PLAIN, given_answers(b="yes"))
    assert refusal.value.values == {"keys": "a, c"}
    assert [error["field"] for error in refusal.value.errors] == ["answers.a", "answers.c"]


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        ([criterion("a", 50), criterion("b", "49.99")], "99.99"),
        ([criterion("a", 60), criterion("b", 60)], "120"),
        ([criterion("a", 50), criterion("a", 50)], "twice"),
        ([criterion("a", 100, section="nowhere")], "nowhere"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_the_reason(criteria: list[Criterion], reason: str) -> None:
    draft = Draft(code="x", name_en="x", name_zh="x", passing_score=Decimal(80), criteria=tuple(criteria))
    with pytest.raises(Invalid, match=reason):
        check_scorable(draft)


def shipped() -> list[Scorecard]:
    file = Path(__file__).parents[2] / "services/qa/migrations/versions/0001_scorecards.json"
    cards = json.loads(file.read_text(encoding="utf-8"))
    return [Scorecard(**one, version=1, published_at=AT, published_by="headset") for one in cards]


def test_the_shipped_scorecards_can_be_scored() -> None:
    cards = {one.code: one for one in shipped()}
    assert cards.keys() == {"complaint", "service_characteristics", "short"}
    for one in cards.values():
        check_scorable(one)
        assert one.id.version == 7
        assert all("一" <= text[0] <= "鿿" for text in [one.name_zh, *(c.name_zh for c in one.criteria)])
    assert [section.key for section in cards["complaint"].sections] == ["accept", "clarify", "agree", "follow_through"]
    assert len(cards["service_characteristics"].criteria) == 6
    assert len({one.id for one in cards.values()}) == len({UUID(str(one.id)) for one in cards.values()}) == 3


VALUES = st.sampled_from(["yes", "no", "not_applicable"])


@st.composite
def cards_with_answers(draw: st.DrawFn) -> tuple[Scorecard, dict[str, Answer]]:
    cuts = draw(st.sets(st.integers(1, 9999), max_size=11))
    edges = [0, *sorted(cuts), 10_000]
    weights = [Decimal(high - low) / 100 for low, high in pairwise(edges)]
    criteria = [criterion(f"k{n}", str(w), fatal=draw(st.booleans())) for n, w in enumerate(weights)]
    policy = draw(st.sampled_from(["score_zero", "result_fail"]))
    scorecard = card(*criteria, passing=draw(st.integers(0, 100)), fatal=policy)
    check_scorable(scorecard)
    return scorecard, {c.key: Answer(draw(VALUES)) for c in criteria}


@given(cards_with_answers())
def test_scores_stay_in_bounds_and_agree_with_the_result(given: tuple[Scorecard, dict[str, Answer]]) -> None:
    scorecard, answers = given
    outcome = score(scorecard, answers)
    if all(answer.value == "not_applicable" for answer in answers.values()):
        assert outcome.score is None
        assert outcome.result is None
        return
    assert outcome.raw_score is not None
    assert outcome.score is not None
    assert 0 <= outcome.score <= outcome.raw_score <= 100
    passed = outcome.score >= scorecard.passing_score and not outcome.critical_errors
    assert outcome.result == ("passed" if passed else "failed")
    assert [c.key for c in outcome.failed] == [key for key, answer in answers.items() if answer.value == "no"]


@given(cards_with_answers(), st.randoms(use_true_random=False))
def test_the_order_of_answers_is_irrelevant(given: tuple[Scorecard, dict[str, Answer]], chance: random.Random) -> None:
    scorecard, answers = given
    items = list(answers.items())
    chance.shuffle(items)
    assert score(scorecard, dict(items)) == score(scorecard, answers)


@given(cards_with_answers())
def test_weights_are_conserved(given: tuple[Scorecard, dict[str, Answer]]) -> None:
    """What each criterion would earn alone adds up to what all of those that apply earn together: 100."""
    scorecard, answers = given
    applicable = [key for key, answer in answers.items() if answer.value != "not_applicable"]
    assume(applicable)
    total = Decimal(0)
    for key in applicable:
        alone = {
            k: a if a.value == "not_applicable" else Answer("yes" if k == key else "no") for k, a in answers.items()
        }
        earned = score(scorecard, alone).raw_score
        assert earned is not None
        total += earned
    assert abs(total - 100) <= Decimal("0.005") * len(applicable)


@given(cards_with_answers(), st.data())
def test_one_more_not_applicable_keeps_the_ratio_of_the_others(
    given: tuple[Scorecard, dict[str, Answer]], data: st.DataObject
) -> None:
    scorecard, answers = given
    gone = data.draw(st.sampled_from(sorted(answers)))
    answers[gone] = Answer("not_applicable")
    left = [c for c in scorecard.criteria if answers[c.key].value != "not_applicable"]
    assume(left)
    total = sum(c.weight for c in left)
    for one in left:
        alone = {
            k: a if a.value == "not_applicable" else Answer("yes" if k == one.key else "no") for k, a in answers.items()
        }
        earned = score(scorecard, alone).raw_score
        assert earned is not None
        assert abs(earned - 100 * one.weight / total) <= Decimal("0.005")
