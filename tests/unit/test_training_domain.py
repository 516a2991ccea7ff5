"""Which coaching a failed audit calls for, and what may become of it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.training.domain import (
    Assignment,
    Audit,
    Person,
    Rule,
    Status,
    acknowledge,
    assign,
    choose_coach,
    choose_rule,
    complete,
    differences,
    follow,
)
from shared.contracts.qa import AuditFailed
from shared.errors import IllegalState

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ANN, MENTOR, LEAD = uuid4(), uuid4(), uuid4()
CRITICAL = Rule("critical_error", "critical_error", 2, 200, ("mentor", "team_lead"))
ANY = Rule("any_fail", "any_fail", 5, 100, ("mentor", "team_lead"))


def failed(*competencies: str, critical: tuple[str, ...] = ()) -> AuditFailed:
    criteria = [
        {"criterion": f"c{n}", "competency": competency, "error_class": "none", "score": 0}
        for n, competency in enumerate(competencies)
    ]
    return AuditFailed.model_validate(
        {
            "audit_id": uuid4(),
            "revision": 1,
            "recording_id": uuid4(),
            "call_id": "call-1",
            "employee_id": ANN,
            "auditor_id": "auditor",
            "scorecard": "standard",
            "score": 60,
            "passing_score": 80,
            "critical_errors": critical,
            "failed_criteria": criteria,
            "submitted_at": NOW,
        }
    )


def an_assignment(**state: Any) -> Assignment:
    person = Person(ANN, MENTOR, LEAD)
    made = assign(failed("a"), Audit(1, True), ANY, person, day=date(2026, 3, 2), at=NOW, calendar="cn")
    return replace(made, **state)


def test_the_highest_priority_acts() -> None:
    for rules in ([CRITICAL, ANY], [ANY, CRITICAL]):
        assert choose_rule(rules, failed("a", critical=("c0",))) is CRITICAL
        assert choose_rule(rules, failed("a")) is ANY
    assert choose_rule([CRITICAL], failed("a")) is None
    tie = replace(ANY, key="a_tie")
    assert choose_rule([ANY, tie], failed("a")) is tie


@pytest.mark.parametrize(
    ("mentor", "lead", "coach"),
    [
        (MENTOR, LEAD, MENTOR),
        (None, LEAD, LEAD),
        (MENTOR, None, MENTOR),
        (ANN, LEAD, LEAD),
        (None, ANN, None),
        (ANN, ANN, None),
        (None, None, None),
    ],
)
def test_the_mentor_coaches_else_the_lead_never_oneself(
    mentor: UUID | None, lead: UUID | None, coach: UUID | None
) -> None:
    assert choose_coach(("mentor", "team_lead"), Person(ANN, mentor, lead)) == coach


def test_the_order_of_coaches_is_the_rules() -> None:
    assert choose_coach(("team_lead", "mentor"), Person(ANN, MENTOR, LEAD)) == LEAD
    assert choose_coach(("team_lead",), Person(ANN, MENTOR, None)) is None


@pytest.mark.parametrize(
    ("rule", "day", "due"),
    [
        (CRITICAL, "2026-03-02", "2026-03-04"),
        (ANY, "2026-03-02", "2026-03-09"),
        (CRITICAL, "2026-02-13", "2026-02-24"),  # over the spring festival, with the Saturday worked for it
        (ANY, "2026-09-29", "2026-10-12"),  # over the national holiday
    ],
)
def test_due_in_working_days(rule: Rule, day: str, due: str) -> None:
    person = Person(ANN, MENTOR, None)
    made = assign(failed("a"), Audit(1, True), rule, person, day=date.fromisoformat(day), at=NOW, calendar="cn")
    assert made.due_on == date.fromisoformat(due)
    assert made.rule == rule.key


def test_each_competency_once_in_the_order_of_the_scorecard() -> None:
    person = Person(ANN, MENTOR, None)
    made = assign(failed("b", "a", "b", "c"), Audit(1, True), ANY, person, day=date(2026, 3, 2), at=NOW, calendar="cn")
    assert made.competencies == ("b", "a", "c")
    assert [criterion.criterion for criterion in made.failed_criteria] == ["c0", "c1", "c2", "c3"]


@pytest.mark.parametrize(
    ("state", "owed", "status", "action"),
    [
        ({}, False, "cancelled", "cancelled"),
        ({"status": "acknowledged", "acknowledged_at": NOW}, False, "cancelled", "cancelled"),
        ({}, True, "assigned", "audit_revised"),
        ({"status": "cancelled", "cancelled_at": NOW}, False, "cancelled", "audit_revised"),
        ({"status": "cancelled", "cancelled_at": NOW}, True, "assigned", "reinstated"),
        ({"status": "cancelled", "acknowledged_at": NOW}, True, "acknowledged", "reinstated"),
        ({"status": "completed"}, False, "completed", "no_longer_owed"),
        ({"status": "completed"}, True, "completed", "audit_revised"),
        ({"status": "completed", "no_longer_owed": True}, False, "completed", "audit_revised"),
        ({"status": "completed", "no_longer_owed": True}, True, "completed", "owed_again"),
    ],
)
def test_following_the_audit(state: dict[str, Any], owed: bool, status: Status, action: str) -> None:
    before = an_assignment(**state)
    after, called = follow(before, Audit(2, owed), NOW)
    assert (after.status, called, after.audit_revision) == (status, action, 2)
    assert after.no_longer_owed is (status == "completed" and not owed)
    assert after.cancelled_at == (NOW if status == "cancelled" and action == "cancelled" else
                                  before.cancelled_at if status == "cancelled" else None)  # fmt: skip
    assert follow(after, Audit(2, owed), NOW)[0] == after


def test_acknowledging() -> None:
    seen = acknowledge(an_assignment(), NOW)
    assert (seen.status, seen.acknowledged_at) == ("acknowledged", NOW)
    assert acknowledge(seen, datetime(2026, 3, 3, tzinfo=UTC)) is seen
    done = complete(seen, "coach", None, NOW)
    assert acknowledge(done, NOW) is done
    for state in (an_assignment(status="completed"), replace(seen, status="cancelled")):
        with pytest.raises(IllegalState, match=f"is {state.status}; only an assigned"):
            acknowledge(state, NOW)


def test_completing() -> None:
    done = complete(an_assignment(), "coach", "went well", NOW)
    assert (done.status, done.completed_at, done.completed_by, done.note) == ("completed", NOW, "coach", "went well")
    assert complete(done, "another", "other words", NOW) is done
    with pytest.raises(IllegalState, match="is cancelled; only an assigned or acknowledged"):
        complete(an_assignment(status="cancelled"), "coach", None, NOW)


def test_history_has_what_changed() -> None:
    before = an_assignment()
    assert differences(None, before)[0] is None
    assert differences(before, replace(before, status="cancelled")) == (
        {"status": "assigned"},
        {"status": "cancelled"},
    )
