"""Does each kind of answer become what it is compared by, and does only that count which was seen and asked alike?"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from services.qa.domain.audits import Audit
from services.qa.domain.calibrations import HandIn, Interaction, Report, measure_of, report
from services.qa.domain.scorecards import NOT_APPLICABLE as NA
from services.qa.domain.scorecards import Criterion, Scorecard
from services.qa.domain.scoring import Answer, score

AT = datetime(2026, 3, 2, tzinfo=UTC)
OPTIONS = [{"key": k, "name_en": k, "name_zh": k, "points": p} for k, p in (("all", 2), ("some", 1), ("none", 0))]
TIED = [*OPTIONS, {"key": "nothing", "name_en": "n", "name_zh": "n", "points": 0}]
BANDS = [{"below": 20, "points": 2}, {"below": 60, "points": 1}, {"below": None, "points": 0}]


def criterion(key: str, answer: dict[str, Any] | None = None, **more: Any) -> Criterion:
    given = {"key": key, "name_en": key, "name_zh": key, "competency": "x", "weight": 20, **more}
    return Criterion.model_validate({**given, **({"answer": answer} if answer else {})})


def card(*criteria: Criterion) -> Scorecard:
    return Scorecard.model_validate(
        {
            "id": uuid4(), "version": 1, "published_at": AT, "published_by": "m", "code": "kinds", "name_en": "k",
            "name_zh": "k", "passing_score": 80, "weighting": "points",
            "criteria": [one.model_dump() for one in criteria],
        }
    )  # fmt: skip


def handed_in(by: Scorecard, auditor: str, **values: Any) -> HandIn:
    answers = {key: Answer(value) for key, value in values.items()}
    outcome = score(by, answers)
    nothing: dict[str, Any] = dict.fromkeys(
        ("draw_id", "submitted_at", "released_at", "acknowledged_at", "focus", "follows", "moved_from")
    )
    audit = Audit(
        id=uuid4(), recording_id=uuid4(), call_id="c", employee_id=uuid4(), scorecard_id=by.id, auditor_id=auditor,
        purpose="calibration", status="submitted", version=2, revision=1, answers=answers, raw_score=outcome.raw_score,
        score=outcome.score, result=outcome.result, critical_errors=outcome.critical_errors,
        fatal_hit=outcome.fatal_hit, failed=[c.key for c in outcome.failed], marks=outcome.marks, accuracy={},
        created_at=AT, calibration_id=uuid4(), **nothing,
    )  # fmt: skip
    return HandIn(audit, by)


def judged(by: Scorecard, *auditors: dict[str, Any], expert: dict[str, Any] | None = None) -> Interaction:
    given = [handed_in(by, f"a{n}", **values) for n, values in enumerate(auditors)]
    return Interaction(AT, given, handed_in(by, "e", **expert) if expert else None)


def one(found: Report) -> Any:
    [seen] = found.criteria
    return seen


@pytest.mark.parametrize(
    ("answer", "level", "named"),
    [
        ({"kind": "yes_no"}, "nominal", {"no": ("no", 0), "yes": ("yes", 1), NA: (NA, 2)}),
        ({"kind": "choice", "options": OPTIONS}, "ordinal", {"all": ("all", 2), NA: (NA, None)}),
        ({"kind": "choice", "options": TIED}, "nominal", {"none": ("none", 2), NA: (NA, 4)}),
        ({"kind": "scale", "lowest": 1, "highest": 5}, "ordinal", {4.0: ("4", 4), NA: (NA, None)}),
        ({"kind": "number", "bands": BANDS}, "interval", {19.5: ("< 20", 19.5), 20.0: ("< 60", 20), NA: (NA, None)}),
    ],
)  # fmt: skip
def test_each_kind_of_answer_has_its_level(answer: dict[str, Any], level: str, named: dict[Any, Any]) -> None:
    measure = measure_of(criterion("x", answer))
    assert measure.level == level
    assert {value: (measure.name(value), measure.number(value)) for value in named} == named


def test_numbers_of_the_same_band_are_agreed_and_alpha_looks_at_the_number() -> None:
    by = card(criterion("wait", {"kind": "number", "bands": BANDS}))
    here = judged(by, {"wait": Decimal(5)}, {"wait": Decimal(15)}, {"wait": NA})
    seen = one(report(here, [here, judged(by, {"wait": Decimal(70)}, {"wait": Decimal(70)})], by, 1))
    assert (seen.said, seen.why, seen.differ) == ({"< 20": ["a0", "a1"], NA: ["a2"]}, "answer", ["a2"])
    assert (seen.here.raw, seen.here.prevalence) == (1 / 3, {"< 20": 2 / 3, NA: 1 / 3})
    # interval, without the one who said not applicable: D_o = 2 · 100 / 4; values 5, 15, 70, 70
    by_chance = 2 * (10**2 + 2 * 65**2 + 2 * 55**2) / (4 * 3)
    assert seen.so_far.alpha.value == pytest.approx(1 - 50 / by_chance)


def test_what_was_hidden_from_somebody_counts_only_for_the_others() -> None:
    parent = criterion("complains")
    child = criterion("calms", shown_if={"criterion": "complains", "values": ["yes"]})
    by = card(parent, child)
    here = judged(by, {"complains": "yes", "calms": "no"}, {"complains": "no", "calms": "yes"}, {"complains": "no"})
    seen = report(here, [here], by, 1).criteria[1]
    assert (seen.said, seen.why, seen.here.answers, seen.here.raw) == ({"no": ["a0"]}, None, 0, None)


def test_only_criteria_that_asked_the_same_are_put_together() -> None:
    """The scale had another length in an earlier version; totals are compared all the same."""
    old = card(criterion("tone", {"kind": "scale", "lowest": 1, "highest": 3}))
    new = card(criterion("tone", {"kind": "scale", "lowest": 1, "highest": 5}))
    three, five = Decimal(3), Decimal(5)
    here = judged(new, {"tone": five}, {"tone": five})
    found = report(here, [here, judged(old, {"tone": three}, {"tone": three})], new, 1)
    assert one(found).so_far.interactions == 1
    assert (found.result_so_far.interactions, found.icc_interactions) == (2, 2)


def test_with_an_expert_one_differs_from_the_expert_and_not_from_most() -> None:
    by = card(criterion("fatal", fatal=True), criterion("plain"))
    yes = {"fatal": "yes", "plain": "yes"}
    here = judged(by, yes, yes, {"fatal": "yes", "plain": "no"}, expert={"fatal": "no", "plain": "yes"})
    fatal, plain_ = report(here, [here], by, 1).talk_about
    assert (fatal.criterion.key, fatal.why, fatal.differ, fatal.here.raw) == ("fatal", "fatal", ["a0", "a1", "a2"], 1)
    assert (plain_.why, plain_.differ) == ("failed", ["a2"])


def test_the_icc_is_of_those_sessions_that_all_of_this_one_took_part_in() -> None:
    by = card(criterion("x"))
    three = judged(by, {"x": "yes"}, {"x": "no"}, {"x": "no"})
    two = judged(by, {"x": "yes"}, {"x": "yes"})
    assert report(two, [two, three], by, 1).icc_interactions == 2
    assert report(three, [two, three], by, 1).icc_interactions == 1
    nobody = Interaction(AT, [], None)
    found = report(nobody, [nobody, two], by, 1)
    assert (found.icc.reason, found.verdicts.raw, one(found).said) == ("too_few_interactions", None, {})
