"""Which rules a failed audit meets, which of them act, and what may become of the coaching."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from services.training.domain.calendar import Deadline, ics
from services.training.domain.coaching import (
    DISPUTED,
    UPHELD,
    Assignment,
    Audit,
    Status,
    acknowledge,
    assign,
    begin,
    complete,
    decide,
    differences,
    follow,
)
from services.training.domain.rules import (
    Condition,
    Failed,
    Memory,
    Person,
    Result,
    Rule,
    Trainability,
    choose_coach,
    consider,
    in_order,
)
from shared.contracts.qa import AuditFailed
from shared.errors import IllegalState

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TODAY = date(2026, 3, 2)
ANN, MENTOR, LEAD = uuid4(), uuid4(), uuid4()
PERSON = Person(ANN, MENTOR, LEAD, "agent", "a", date(2026, 1, 1))
LEVELS: Mapping[str, Trainability] = {"a": "easy", "b": "harder", "z": "very_hard"}


def rule(key: str, condition: Mapping[str, Any] | None = None, **fields: Any) -> Rule:
    given = {
        "id": uuid4(), "key": key, "name_en": key, "name_zh": key, "action": "coaching", "topic": None, "course": None,
        "coaches": ("mentor", "team_lead"), "coach_group": (), "due_working_days": 5, "priority": 100,
        "cooldown_days": 0, "needs_approval": False, "unless_open": False, "active": True, "version": 1, **fields,
    }  # fmt: skip
    return Rule(condition=Condition.model_validate(condition or {}), **given)


CRITICAL = rule("critical_error", {"critical": True}, priority=200, due_working_days=2)
ANY = rule("any_fail")


def result(*competencies: str, minutes: int = 0, passed: bool = False, **facts: Any) -> Result:
    failed = tuple(Failed(f"c-{competency}", competency, "none") for competency in competencies)
    given = {
        "audit_id": uuid4(), "employee_id": ANN, "scorecard": "complaint@2",
        "submitted_at": NOW + timedelta(minutes=minutes), "score": Decimal(60), "passed": passed, "critical": False,
        "failed": failed, **facts,
    }  # fmt: skip
    return Result(**given)


def fired(
    audit: Result,
    *rules: Rule,
    recent: Sequence[Result] = (),
    memory: Memory | None = None,
    person: Person = PERSON,
    disputed: bool = False,
) -> list[tuple[str, str | None]]:
    firings = consider(
        audit, in_order(rules), person, recent, memory or Memory(), day=TODAY, disputed=disputed, trainability=LEVELS,
        courses={"a": "course-a", "b": "course-b"},
    )  # fmt: skip
    return [(one.rule.key, one.reason) for one in firings]


@pytest.mark.parametrize(
    ("condition", "fits", "fits_not"),
    [
        ({}, result("a"), None),
        ({"critical": True}, result("a", critical=True), result("a")),
        ({"critical": False}, result("a"), result("a", critical=True)),
        ({"scorecards": ["complaint"]}, result("a"), result("a", scorecard="short@1")),
        ({"scorecards": ["complaint@2"]}, result("a"), result("a", scorecard="complaint@1")),
        ({"score_below": 60}, result("a", score=Decimal("59.99")), result("a")),
        ({"criteria": ["c-a"]}, result("b", "a"), result("b")),
        ({"competencies": ["a", "b"]}, result("b"), result("z")),
        ({"trainability": ["very_hard"]}, result("a", "z"), result("a", "unknown")),
        ({"error_classes": ["none"]}, result("a"), result()),
        ({"error_classes": ["compliance_critical"], "competencies": ["a"]},
         result(failed=(Failed("x", "a", "compliance_critical"),)),
         result(failed=(Failed("x", "a", "none"), Failed("y", "b", "compliance_critical")))),
        ({"tenure_below_days": 61}, result("a"), None),
        ({"tenure_from_days": 60, "roles": ["agent"], "teams": ["a"]}, result("a"), None),
    ],
)  # fmt: skip
def test_conditions(condition: dict[str, Any], fits: Result, fits_not: Result | None) -> None:
    one = rule("one", condition)
    assert fired(fits, one) == [("one", None)]
    if fits_not is not None:
        assert fired(fits_not, one) == []


@pytest.mark.parametrize(
    "condition", [{"tenure_below_days": 60}, {"tenure_from_days": 61}, {"roles": ["lead"]}, {"teams": ["b"]}]
)
def test_whom_a_rule_is_not_for(condition: dict[str, Any]) -> None:
    assert fired(result("a"), rule("one", condition)) == []
    assert fired(result("a"), rule("one", {"tenure_from_days": 0}), person=Person(ANN)) == []  # start not known


def test_the_same_competency_again() -> None:
    """Three of the last five: this one and two of the four before; passes with a failed criterion count, too."""
    again = rule("again", {"repeated": {"times": 3, "audits": 5}})
    before = [result("a", minutes=-1), result("b", minutes=-2), result("a", passed=True, minutes=-3), result()]
    assert fired(result("a"), again, recent=before) == [("again", None)]
    assert fired(result("b"), again, recent=before) == []
    late = [result("a", minutes=-1), *[result(minutes=-n) for n in (2, 3, 4)], result("a", minutes=-5)]
    assert fired(result("a"), again, recent=late) == []
    days = rule("days", {"repeated": {"times": 2, "days": 7, "same": "criterion"}})
    assert fired(result("a"), days, recent=[result("a", minutes=-7 * 1440)]) == [("days", None)]
    assert fired(result("a"), days, recent=[result("a", minutes=-7 * 1440 - 1)]) == []
    audits = rule("audits", {"repeated": {"times": 2, "audits": 2, "same": "audit"}})
    assert fired(result("a"), audits, recent=[result("b", minutes=-1)]) == [("audits", None)]
    assert fired(result("a"), audits, recent=[result("b", passed=True, minutes=-1)]) == []


@pytest.mark.parametrize(
    "repeated", [{"times": 3}, {"times": 3, "audits": 2}, {"times": 2, "audits": 3, "days": 3}, {"times": 0, "days": 1}]
)
def test_windows_that_make_no_sense(repeated: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate({"repeated": repeated})


def test_the_highest_priority_acts() -> None:
    serious = result("a", critical=True)
    for rules in ([CRITICAL, ANY], [ANY, CRITICAL]):
        assert fired(serious, *rules) == [("critical_error", None), ("any_fail", "lower_priority")]
        assert fired(result("a"), *rules) == [("any_fail", None)]
    assert fired(result("a"), CRITICAL) == []
    assert fired(result("a"), ANY, replace(ANY, key="a_tie")) == [("a_tie", None), ("any_fail", "lower_priority")]
    assert fired(serious, replace(CRITICAL, active=False), ANY) == [("any_fail", None)]


def test_a_course_comes_on_top() -> None:
    course = rule("course", {"trainability": ["easy", "harder"]}, action="course", coaches=())
    talk = rule("talk", {"trainability": ["very_hard"]}, action="talk", priority=150)
    assert fired(result("a", "z"), course, talk, ANY) == [
        ("talk", None), ("any_fail", "lower_priority"), ("course", None)
    ]  # fmt: skip
    assert fired(result("z"), course, talk, ANY) == [("talk", None), ("any_fail", "lower_priority")]
    taken = Memory(open={(ANN, "course-a"): date.max})
    assert fired(result("a"), course, memory=taken) == [("course", "already_open")]
    assert fired(result("a", "b"), course, memory=taken) == [("course", None)]  # the other one
    untaught = rule("untaught", action="course", coaches=())
    assert fired(result("z"), untaught) == [("untaught", "no_course")]


def test_what_holds_a_rule_back_lets_the_next_one_act() -> None:
    slow = replace(CRITICAL, cooldown_days=10)
    for days, reason in ((9, "cooldown"), (10, None)):
        memory = Memory(acted={(ANN, slow.key): TODAY - timedelta(days=days)})
        rest = "lower_priority" if reason is None else None
        assert fired(result("a", critical=True), slow, ANY, memory=memory) == [
            ("critical_error", reason), ("any_fail", rest)
        ]  # fmt: skip
    once = replace(ANY, unless_open=True)
    assert fired(result("a"), once, memory=Memory(open={(ANN, "any_fail"): TODAY})) == [("any_fail", "already_open")]
    assert fired(result("a"), CRITICAL, ANY, disputed=True) == [("any_fail", "in_dispute")]


@pytest.mark.parametrize(
    ("mentor", "lead", "coach"),
    [
        (MENTOR, LEAD, MENTOR), (None, LEAD, LEAD), (MENTOR, None, MENTOR), (ANN, LEAD, LEAD), (None, ANN, None),
        (ANN, ANN, None), (None, None, None),
    ],
)  # fmt: skip
def test_the_mentor_coaches_else_the_lead_never_oneself(
    mentor: UUID | None, lead: UUID | None, coach: UUID | None
) -> None:
    assert choose_coach(ANY, Person(ANN, mentor, lead), {}) == coach


def test_the_order_of_coaches_is_the_rules() -> None:
    assert choose_coach(rule("x", coaches=("team_lead", "mentor")), PERSON, {}) == LEAD
    assert choose_coach(rule("x", coaches=("team_lead",)), Person(ANN, MENTOR, None), {}) is None
    low, high = sorted((uuid4(), uuid4()))
    group = rule("x", coaches=("group", "mentor"), coach_group=(high, low, ANN))
    assert choose_coach(group, PERSON, {high: 1, low: 2, ANN: 0}) == high
    assert choose_coach(group, PERSON, {high: 1, low: 1}) == low
    assert choose_coach(group, PERSON, {}) == MENTOR  # nobody of the group is here


def failed(*competencies: str, **facts: Any) -> AuditFailed:
    criteria = [
        {"criterion": f"c{n}", "competency": competency, "error_class": "none", "score": 0}
        for n, competency in enumerate(competencies)
    ]
    return AuditFailed.model_validate(
        {
            "audit_id": uuid4(), "revision": 1, "recording_id": uuid4(), "call_id": "call-1", "employee_id": ANN,
            "auditor_id": "auditor", "scorecard": "standard", "score": 60, "passing_score": 80, "critical_errors": [],
            "failed_criteria": criteria, "submitted_at": NOW, **facts,
        }
    )  # fmt: skip


def an_assignment(**state: Any) -> Assignment:
    return replace(assign(failed("a"), ANY, MENTOR, day=TODAY, at=NOW, calendar="cn"), **state)


@pytest.mark.parametrize(
    ("one", "day", "due"),
    [
        (CRITICAL, "2026-03-02", "2026-03-04"),
        (ANY, "2026-03-02", "2026-03-09"),
        (CRITICAL, "2026-02-13", "2026-02-24"),  # over the spring festival, with the Saturday worked for it
        (ANY, "2026-09-29", "2026-10-12"),  # over the national holiday
    ],
)
def test_due_in_working_days(one: Rule, day: str, due: str) -> None:
    made = assign(failed("a"), one, MENTOR, day=date.fromisoformat(day), at=NOW, calendar="cn")
    assert (made.due_on, made.rule) == (date.fromisoformat(due), one.key)


def test_each_competency_once_in_the_order_of_the_scorecard() -> None:
    made = assign(failed("b", "a", "b", "c"), ANY, MENTOR, day=TODAY, at=NOW, calendar="cn")
    assert made.competencies == ("b", "a", "c")
    assert made.criteria == ("c0", "c1", "c2", "c3")


SEEN = {"status": "acknowledged", "acknowledged_at": NOW}
GONE = {"owed": False, "status": "cancelled", "cancelled_at": NOW}
DONE = {"status": "completed", "completed_at": NOW}


@pytest.mark.parametrize(
    ("state", "audit", "status", "action"),
    [
        ({}, Audit(2, False), "cancelled", "cancelled"),
        (SEEN, Audit(2, False), "cancelled", "cancelled"),
        ({}, Audit(2, True), "assigned", "audit_revised"),
        (GONE, Audit(2, False), "cancelled", "audit_revised"),
        (GONE, Audit(2, True), "assigned", "reinstated"),
        ({**GONE, "acknowledged_at": NOW}, Audit(2, True), "acknowledged", "reinstated"),
        (DONE, Audit(2, False), "completed", "no_longer_owed"),
        (DONE, Audit(2, True), "completed", "audit_revised"),
        ({**DONE, "owed": False, "no_longer_owed": True}, Audit(2, True), "completed", "owed_again"),
        ({**SEEN, "started_at": NOW, "status": "in_progress"}, Audit(2, True, DISPUTED), "waiting", "waiting"),
        ({"disputed": True, "status": "waiting"}, Audit(2, True, UPHELD), "assigned", "resumed"),
        ({"disputed": True, "status": "waiting"}, Audit(2, False), "cancelled", "cancelled"),
        ({"needs_approval": True, "status": "proposed"}, Audit(2, True, DISPUTED), "waiting", "waiting"),
        (DONE, Audit(2, True, DISPUTED), "completed", "audit_revised"),
    ],
)
def test_following_the_audit(state: dict[str, Any], audit: Audit, status: Status, action: str) -> None:
    before = an_assignment(**state)
    after, called = follow(before, audit, NOW, "cn")
    assert (after.status, called, after.audit_revision) == (status, action, 2)
    assert after.no_longer_owed is (status == "completed" and not audit.owed)
    assert (after.cancelled_at is not None) is (status == "cancelled")
    assert follow(after, audit, NOW + timedelta(days=1), "cn")[0] == after


def test_days_count_anew_from_a_decision() -> None:
    before = an_assignment(overdue_at=NOW, escalated_to=LEAD)
    after, _ = follow(before, Audit(2, True, decided_on=date(2026, 3, 20)), NOW, "cn")
    assert (after.due_on, after.overdue_at, after.escalated_to) == (date(2026, 3, 27), None, None)


def test_rescored_shortens() -> None:
    made = assign(failed("a", "b", "a"), ANY, MENTOR, day=TODAY, at=NOW, calendar="cn")
    short, called = follow(made, Audit(2, True, remaining=("c2",)), NOW, "cn")
    assert (called, short.criteria, short.competencies) == ("shortened", ("c2",), ("a",))
    assert len(short.failed_criteria) == 3  # what the audit found is kept
    longer, _ = follow(short, Audit(3, True), NOW, "cn")
    assert longer.criteria == ("c0", "c1", "c2")


def test_the_newest_fact_stands() -> None:
    facts = [Audit(1, True), Audit(1, True, DISPUTED), Audit(1, True, UPHELD), Audit(2, True), Audit(2, False)]
    for n, older in enumerate(facts):
        for newer in facts[n:]:
            assert older.newest(newer) == newer == newer.newest(older)


def test_acknowledging() -> None:
    seen = acknowledge(an_assignment(), NOW)
    assert (seen.status, seen.acknowledged_at) == ("acknowledged", NOW)
    assert acknowledge(seen, datetime(2026, 3, 3, tzinfo=UTC)) is seen
    done = complete(seen, "coach", None, NOW)
    assert acknowledge(done, NOW) is done
    assert acknowledge(begin(an_assignment(), NOW), NOW).status == "in_progress"
    for state in (an_assignment(**DONE), an_assignment(**GONE), an_assignment(status="waiting")):
        with pytest.raises(IllegalState, match=f"is {state.status}; only an assigned"):
            acknowledge(state, NOW)


def test_beginning_and_completing() -> None:
    begun = begin(an_assignment(), NOW)
    assert begun.status == "in_progress"
    assert begin(begun, NOW + timedelta(1)) is begun
    done = complete(begun, "coach", "went well", NOW)
    assert (done.status, done.completed_at, done.completed_by, done.note) == ("completed", NOW, "coach", "went well")
    assert complete(done, "another", "other words", NOW) is done
    for status in ("cancelled", "waiting", "proposed"):
        state = an_assignment(status=status)
        with pytest.raises(IllegalState, match=f"is {status}; only an assigned or acknowledged"):
            complete(state, "coach", None, NOW)
        with pytest.raises(IllegalState, match=f"is {status}"):
            begin(state, NOW)


def test_approval() -> None:
    proposed = an_assignment(needs_approval=True, status="proposed")
    approved = decide(proposed, True, "lead", NOW)
    assert (approved.status, approved.approved_by) == ("assigned", "lead")
    refused = decide(proposed, False, "lead", NOW)
    assert (refused.status, refused.cancelled_at) == ("cancelled", NOW)
    assert follow(refused, Audit(2, True), NOW, "cn")[0].status == "cancelled"  # refused stays refused
    for state in (approved, refused):
        with pytest.raises(IllegalState, match="only a proposed one"):
            decide(state, True, "lead", NOW)


def test_history_has_what_changed() -> None:
    before = an_assignment()
    assert differences(None, before)[0] is None
    assert differences(before, replace(before, status="cancelled")) == (
        {"status": "assigned"},
        {"status": "cancelled"},
    )


def test_no_name_of_a_deadline_writes_lines_of_its_own_into_the_calendar() -> None:
    one = Deadline("plan", "2026", date(2026, 12, 1), date(2026, 12, 20))
    for end in ("\r\n", "\r", "\n", "\u2028", "\x85", "\x0b"):
        text = ics([(one, f"a{end}BEGIN:VALARM", f"b;c,d\\{end}e")], "20260302T090000Z")
        assert re.split("[\r\n\u2028\x85\x0b]+", text).count("BEGIN:VALARM") == 0
        assert "SUMMARY:a\\nBEGIN:VALARM\r\n" in text
        assert "DESCRIPTION:b\\;c\\,d\\\\\\ne\r\n" in text
