"""Which coaching rules does a failed audit meet, and which of them act?

A rule is data: a condition, an action, who coaches, how soon, and how often at most. There are two contests: one for
the assignment (coaching or talk) that each failed audit leads to, one for courses on top of it. In each the rule of the
highest priority that nothing holds back acts, once. The same function decides when an audit comes and in a trial.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.contracts.qa import ErrorClass
from shared.events import Code
from shared.numbers import Score

Trainability = Literal["easy", "harder", "very_hard"]
Action = Literal["coaching", "talk", "course"]
Coach = Literal["mentor", "team_lead", "group"]
Reason = Literal["already_open", "cooldown", "lower_priority", "in_dispute", "no_course", "left"]
Codes = Annotated[tuple[Code, ...], Field(max_length=100)]
Days = Annotated[int, Field(ge=0, le=20_000)]


class Repeat(BaseModel):
    """The same thing failed `times` times in the last `audits` audits, or within `days` days; this audit included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    times: Annotated[int, Field(ge=1, le=100)]
    audits: Annotated[int, Field(ge=1, le=100)] | None = None
    days: Annotated[int, Field(ge=1, le=1000)] | None = None
    same: Literal["audit", "competency", "criterion"] = "competency"

    @model_validator(mode="after")
    def _one_window(self) -> Self:
        if (self.audits is None) == (self.days is None):
            raise ValueError("give either audits or days")
        if self.audits is not None and self.times > self.audits:
            raise ValueError("times is more than audits")
        return self


class Condition(BaseModel):
    """What a failed audit must be like; everything that is given must hold, an empty condition holds always.

    `scorecards` are codes, with or without version (`complaint`, `complaint@2`). `error_classes`, `criteria`,
    `competencies` and `trainability` must all hold of one failed criterion. `critical`: with, or without, a critical
    error. Tenure is in days from the first day of work.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    critical: bool | None = None
    scorecards: Codes = ()
    error_classes: tuple[ErrorClass, ...] = ()
    criteria: Codes = ()
    competencies: Codes = ()
    trainability: tuple[Trainability, ...] = ()
    score_below: Score | None = None
    repeated: Repeat | None = None
    roles: Codes = ()
    teams: Codes = ()
    tenure_from_days: Days | None = None
    tenure_below_days: Days | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """When a failed audit meets `condition`, `action` is due within so many working days.

    `coaches`: the first of these there is; `group` is the least loaded of `coach_group`. `course`: its code, or None
    for the course that teaches what failed. Within `cooldown_days` the rule acts once for an employee; with
    `unless_open` not while what it led to is still open.
    """

    id: UUID
    key: str
    name_en: str
    name_zh: str
    condition: Condition
    action: Action
    topic: str | None
    course: str | None
    coaches: Sequence[Coach]
    coach_group: Sequence[UUID]
    due_working_days: int
    priority: int
    cooldown_days: int
    needs_approval: bool
    unless_open: bool
    active: bool
    version: int

    @property
    def contest(self) -> Literal["assignment", "course"]:
        return "course" if self.action == "course" else "assignment"


class Failed(NamedTuple):
    """A criterion that was not met."""

    criterion: str
    competency: str
    error_class: str


class Result(NamedTuple):
    """What an audit found, as far as rules look at it."""

    audit_id: UUID
    employee_id: UUID
    scorecard: str
    submitted_at: datetime
    score: Decimal
    passed: bool
    critical: bool
    failed: tuple[Failed, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Who is audited, and who could coach them: those who are still here. `gone`: has left, and is coached no more."""

    employee_id: UUID
    mentor_id: UUID | None = None
    team_lead_id: UUID | None = None
    role: str | None = None
    team: str | None = None
    started_on: date | None = None
    gone: bool = False


class Firing(NamedTuple):
    """A rule whose condition was met, the failed criteria it rests on, and why it did not act; None if it did."""

    rule: Rule
    grounds: tuple[Failed, ...]
    courses: tuple[str, ...]
    reason: Reason | None


@dataclass(slots=True)
class Memory:
    """What rules did before, for cooldowns and what is still open."""

    acted: dict[tuple[UUID, str], date] = field(default_factory=dict)
    """Employee and rule → the last day on which the rule acted."""
    open: dict[tuple[UUID, str], date] = field(default_factory=dict)
    """Employee and rule, or course → the last day on which what it led to counts as open."""

    def cooling(self, rule: Rule, employee: UUID, day: date) -> bool:
        last = self.acted.get((employee, rule.key)) if rule.cooldown_days else None
        return last is not None and abs((day - last).days) < rule.cooldown_days

    def is_open(self, employee: UUID, what: str, day: date) -> bool:
        until = self.open.get((employee, what))
        return until is not None and day <= until

    def note(self, firing: Firing, employee: UUID, day: date, until: date) -> None:
        self.acted[employee, firing.rule.key] = day
        for what in firing.courses or (firing.rule.key,):
            self.open[employee, what] = until


def in_order(rules: Iterable[Rule]) -> list[Rule]:
    """The active ones, the highest priority first; of equals the first by key."""
    return sorted((rule for rule in rules if rule.active), key=lambda rule: (-rule.priority, rule.key))


def of_scorecard(rules: Sequence[Rule], scorecard: str) -> list[Rule]:
    """Those that can be met by an audit with this scorecard; it does not have to be asked for each audit."""
    return [rule for rule in rules if _names(rule.condition, scorecard)]


def _names(condition: Condition, scorecard: str) -> bool:
    named = condition.scorecards
    return not named or scorecard in named or scorecard.partition("@")[0] in named


def consider(
    audit: Result,
    rules: Sequence[Rule],
    person: Person,
    recent: Sequence[Result],
    memory: Memory,
    *,
    day: date,
    disputed: bool,
    trainability: Mapping[str, Trainability],
    courses: Mapping[str, str],
) -> list[Firing]:
    """Every rule that the audit meets, in the order of `rules` (see `in_order`), and what becomes of each.

    `rules`: those `of_scorecard`, or all. `recent`: standing audits of the employee before this one, the newest first.
    `courses`: competency → course.
    """
    firings: list[Firing] = []
    taken: set[str] = set()
    for rule in rules:
        grounds = meets(rule.condition, audit, person, recent, day, trainability)
        if grounds is None:
            continue
        wanted = _courses(rule, grounds, courses) if rule.action == "course" else ()
        wanted, reason = _held_back(rule, wanted, person.employee_id, day, memory)
        if person.gone:
            reason = "left"
        elif rule.contest in taken:
            reason = "lower_priority"
        elif reason is None:
            taken.add(rule.contest)
            reason = "in_dispute" if disputed else None
        firings.append(Firing(rule, grounds, wanted, reason))
    return firings


def _courses(rule: Rule, grounds: Iterable[Failed], courses: Mapping[str, str]) -> tuple[str, ...]:
    if rule.course:
        return (rule.course,)
    return tuple(dict.fromkeys(courses[f.competency] for f in grounds if f.competency in courses))


def _held_back(
    rule: Rule, wanted: tuple[str, ...], employee: UUID, day: date, memory: Memory
) -> tuple[tuple[str, ...], Reason | None]:
    if memory.cooling(rule, employee, day):
        return wanted, "cooldown"
    if rule.action == "course":
        still = tuple(course for course in wanted if not memory.is_open(employee, course, day))
        return (still, None) if still else (wanted, "already_open" if wanted else "no_course")
    if rule.unless_open and memory.is_open(employee, rule.key, day):
        return wanted, "already_open"
    return wanted, None


def meets(
    condition: Condition,
    audit: Result,
    person: Person,
    recent: Sequence[Result],
    day: date,
    trainability: Mapping[str, Trainability],
) -> tuple[Failed, ...] | None:
    """The failed criteria on which the condition holds, perhaps none at all; None where it does not hold."""
    c = condition
    if c.critical is not None and c.critical != audit.critical:
        return None
    if c.score_below is not None and audit.score >= c.score_below:
        return None
    if c.scorecards and not _names(c, audit.scorecard):
        return None
    if (c.roles and person.role not in c.roles) or (c.teams and person.team not in c.teams):
        return None
    if (c.tenure_from_days is not None or c.tenure_below_days is not None) and not _tenure_fits(c, person, day):
        return None
    found = audit.failed
    if c.error_classes or c.criteria or c.competencies or c.trainability:
        found = tuple(
            failed
            for failed in found
            if (not c.error_classes or failed.error_class in c.error_classes)
            and (not c.criteria or failed.criterion in c.criteria)
            and (not c.competencies or failed.competency in c.competencies)
            and (not c.trainability or trainability.get(failed.competency) in c.trainability)
        )
        if not found:
            return None
    return _repeated(c.repeated, audit, recent, found) if c.repeated else found


def _tenure_fits(c: Condition, person: Person, day: date) -> bool:
    if person.started_on is None:
        return False
    days = (day - person.started_on).days
    return (c.tenure_from_days is None or days >= c.tenure_from_days) and (
        c.tenure_below_days is None or days < c.tenure_below_days
    )


_FIELD: Mapping[str, Callable[[Failed], str]] = {
    "competency": lambda failed: failed.competency,
    "criterion": lambda failed: failed.criterion,
}


def _repeated(
    repeat: Repeat, audit: Result, recent: Sequence[Result], found: tuple[Failed, ...]
) -> tuple[Failed, ...] | None:
    if repeat.audits is not None:
        before = recent[: repeat.audits - 1]
    else:
        since = audit.submitted_at - timedelta(days=repeat.days or 0)
        before = [one for one in recent if one.submitted_at >= since]
    if repeat.same == "audit":
        fails = 1 + sum(not one.passed for one in before)
        return found if fails >= repeat.times else None
    if len(before) + 1 < repeat.times:
        return None
    of = _FIELD[repeat.same]
    counts = Counter({of(failed) for failed in audit.failed})
    for one in before:
        counts.update({of(failed) for failed in one.failed})
    again = tuple(failed for failed in found if counts[of(failed)] >= repeat.times)
    return again or None


def choose_coach(rule: Rule, person: Person, loads: Mapping[UUID, int]) -> UUID | None:
    """The first in the rule's order whom there is; never the employees themselves.

    `loads`: those of the rule's group who are here → how much open coaching they have.
    """
    group = [id for id in rule.coach_group if id in loads and id != person.employee_id]
    candidates = {
        "mentor": person.mentor_id,
        "team_lead": person.team_lead_id,
        "group": min(group, key=lambda id: (loads[id], id), default=None),
    }
    return next((id for who in rule.coaches if (id := candidates[who]) and id != person.employee_id), None)


def next_coach(rule: Rule | None, person: Person, loads: Mapping[UUID, int], current: UUID | None) -> UUID | None:
    """Who coaches in place of one who has left: by the rule as people stand now, else the team lead. `current`, who
    stands in already, stays where the rule asks for any of its group; so load alone moves nobody."""
    found = choose_coach(rule, person, loads) if rule else None
    if rule and found in rule.coach_group and current in loads and current in rule.coach_group:
        return current
    return found or (person.team_lead_id if person.team_lead_id != person.employee_id else None)


class Trial:
    """What a rule would have done."""

    def __init__(self) -> None:
        self.audits = 0
        self.met = 0
        self.outcomes: Counter[str] = Counter()
        self.competencies: Counter[str] = Counter()
        self.courses: Counter[str] = Counter()
        self.employees: set[UUID] = set()
        self.examples: list[tuple[UUID, UUID, datetime, str | None]] = []

    def note(self, firing: Firing, result: Result) -> None:
        self.met += 1
        self.outcomes[firing.reason or "acted"] += 1
        if len(self.examples) < 100:
            self.examples.append((result.audit_id, result.employee_id, result.submitted_at, firing.reason))
        if firing.reason is None:
            self.employees.add(result.employee_id)
            self.competencies.update({failed.competency for failed in firing.grounds})
            self.courses.update(firing.courses)
