"""How does an audit go from draft to its end, and what must the others be told?

    draft --submit--> (unreleased --release-->) submitted --acknowledge--> acknowledged
    submitted, acknowledged --dispute (of a fail)--> disputed --decision--> upheld | revised | overturned
    anything but disputed --void--> voided

A calibration audit is scored like any other but ends with its submission: it is never released, so the employee never
sees it and no event tells of it.

`revision` counts the verdicts: 1 with the submission, one more with each decision that changes it. `version` counts all
changes and guards against two people overwriting each other. Nobody outside QA hears of an audit before its release.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.qa.domain.scorecards import FULL, Key, Scorecard, narrowed
from services.qa.domain.scoring import (
    NOTHING,
    Answers,
    Outcome,
    Result,
    check_complete,
    check_known,
    score,
)
from shared.contracts.qa import (
    AuditDisputed,
    AuditFailed,
    AuditOverturned,
    AuditPassed,
    AuditRescored,
    AuditRevised,
    FailedCriterion,
)
from shared.errors import Forbidden, IllegalState, Invalid

Status = Literal[
    "draft", "unreleased", "submitted", "acknowledged", "disputed", "upheld", "revised", "overturned", "voided"
]
Purpose = Literal["standard", "follow_up", "calibration"]
Decision = Literal["upheld", "revised", "overturned", "wrong_agent"]
ReasonCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
"""A code, because reasons travel in events, and events carry no free text."""


class Ruling(BaseModel):
    """What is decided about one disputed criterion: its answer stands, or is replaced by one of the new answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    criterion: Key
    outcome: Literal["upheld", "revised"]
    reason: ReasonCode
    comment: Annotated[str, StringConstraints(max_length=5000, pattern=r"^[^\x00]*$")] | None = None


class Ruled(NamedTuple):
    """What became of one criterion; `overturned` where nothing of the audit counts any more."""

    criterion: str
    outcome: Literal["upheld", "revised", "overturned"]
    reason: str
    comment: str | None = None


class Rules(BaseModel):
    """What a centre decides about its audits.

    `release`: a team lead has a look at each verdict before the employee and the other services hear of it.
    `dispute_days`: on how many days after that of the release an employee may object; `disputes`: how many times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: bool = False
    dispute_days: Annotated[int, Field(ge=0, le=365)] = 14
    disputes: Annotated[int, Field(ge=0, le=10)] = 1


def person(sub: str) -> UUID | None:
    """The employee whom an identity stands for; None for somebody from outside."""
    try:
        return UUID(sub)
    except ValueError:
        return None


def may_audit(auditor: str, auditors_lead: UUID | None, employee: UUID, employees_lead: UUID | None) -> bool:
    """Nobody audits themselves, their own team lead, or those whom they lead."""
    me = person(auditor)
    return me is None or (me not in (employee, employees_lead) and employee != auditors_lead)


@dataclass(slots=True)
class Audit:
    """One auditor's judgement of one interaction. Employee and scorecard version are those of its creation.

    `focus`: the criteria that are looked at, null for all. `follows`: the audit that this one follows up.
    `moved_from`: the audit in whose place it stands, as that was held against another employee or voided.
    `calibration_id`: the session that it is part of.
    `marks`, `failed` and `accuracy`: see `Outcome`.
    """

    id: UUID
    recording_id: UUID
    call_id: str
    employee_id: UUID
    scorecard_id: UUID
    auditor_id: str
    purpose: Purpose
    draw_id: UUID | None
    status: Status
    version: int
    revision: int
    answers: Answers
    raw_score: Decimal | None
    score: Decimal | None
    result: Result | None
    critical_errors: Sequence[str]
    fatal_hit: bool
    failed: Sequence[str]
    marks: Mapping[str, Any]
    accuracy: Mapping[str, Any]
    created_at: datetime
    submitted_at: datetime | None
    released_at: datetime | None
    acknowledged_at: datetime | None
    focus: Sequence[str] | None
    follows: UUID | None
    moved_from: UUID | None
    calibration_id: UUID | None

    @property
    def disputable(self) -> bool:
        """Whether its state allows a dispute; the rules may still say no."""
        told = self.released_at is not None and self.result == "failed"
        return told and self.status in ("submitted", "acknowledged", "upheld", "revised")

    def answer(self, card: Scorecard, answers: Answers) -> None:
        """Replace the answers of a draft; they need not be complete yet."""
        self._must(self.status == "draft")
        check_known(self.seen_of(card), answers, "answers")
        self.answers = answers
        self.version += 1

    def submit(self, card: Scorecard, at: datetime, *, release: bool) -> AuditPassed | AuditFailed | None:
        """Score the answers; the event, or None where it waits for release, calibrates, or nothing was applicable."""
        self._must(self.status == "draft")
        check_complete(self.seen_of(card), self.answers)
        outcome = score(self.seen_of(card), self.answers)
        self._stands(outcome)
        self.submitted_at = at
        if self.purpose == "calibration":
            self.status = "submitted"
            return None
        if release:
            self.status = "unreleased"
            return None
        return self._released(card, outcome, at)

    def release(self, card: Scorecard, at: datetime) -> AuditPassed | AuditFailed | None:
        """Let the employee and everybody else know; the event, or None where nothing was applicable."""
        self._must(self.status == "unreleased")
        self.version += 1
        return self._released(card, score(self.seen_of(card), self.answers), at)

    def acknowledge(self, at: datetime) -> None:
        """The employee has seen it."""
        self._must(self.acknowledgeable)
        self.acknowledged_at = at
        self.version += 1
        if self.status == "submitted":
            self.status = "acknowledged"

    @property
    def acknowledgeable(self) -> bool:
        new = self.acknowledged_at is None and self.released_at is not None
        return new and self.status in ("submitted", "upheld", "revised", "overturned")

    def dispute(self, rules: Rules, *, before: int, released_on: date, today: date) -> AuditDisputed:
        """The employee does not accept the fail; `before` disputes there were, days are those of the centre."""
        self._must(self.disputable)
        if before >= rules.disputes:
            raise IllegalState(
                "The audit was disputed {before} times already, which is as often as it may be; "
                "what can be done with it now: -.",
                before=before,
            )
        last = released_on + timedelta(days=rules.dispute_days)
        if today > last:
            raise IllegalState("The audit could be disputed until {last}; ask your team lead.", last=last.isoformat())
        self.status = "disputed"
        self.version += 1
        return AuditDisputed(audit_id=self.id, revision=self.revision, employee_id=self.employee_id, open=True)

    def rule(
        self, disputed: Sequence[str], rulings: Sequence[Ruling], outcome: Decision | None, reason: str,
        changed: Collection[str],
    ) -> tuple[Decision, list[Ruled]]:  # fmt: skip
        """What a dispute of these criteria, none for all that failed, comes to as a whole and for each criterion.

        By rulings, one for each of them and for each answer that is `changed`, the whole follows: `revised` where one
        is, else `upheld`; an `outcome` that says otherwise is refused. Without them each follows from the whole.
        """
        self._must(self.status == "disputed")
        asked = dict.fromkeys([*(disputed or self.failed), *changed])
        whole = outcome in ("overturned", "wrong_agent")
        if not rulings:
            if outcome is None:
                raise Invalid("Give an outcome, or one for each of these criteria: {keys}.", keys=", ".join(asked))
            each: Literal["upheld", "overturned"] = "overturned" if whole else "upheld"
            return outcome, [Ruled(key, "revised" if key in changed else each, reason) for key in asked]
        given = [ruling.criterion for ruling in rulings]
        if whole or sorted(given) != sorted(asked):
            raise Invalid(
                "Give one outcome for each of these criteria, and for no other; or, with overturned and wrong_agent, "
                "for none: {keys}.",
                keys=", ".join(asked), errors=[{"field": "criteria", "message": ", ".join(given)}],
            )  # fmt: skip
        revised = {ruling.criterion for ruling in rulings if ruling.outcome == "revised"}
        if revised != set(changed):
            raise Invalid(
                "Give a new answer to each criterion that is revised, and to no other: {keys}.",
                keys=", ".join(sorted(revised ^ set(changed))), errors=[{"field": "answers", "message": ""}],
            )  # fmt: skip
        follows: Decision = "revised" if revised else "upheld"
        if outcome not in (None, follows):
            raise Invalid(
                "By the outcomes of its criteria this dispute is {follows}, not {outcome}.",
                follows=follows, outcome=outcome, errors=[{"field": "outcome", "message": str(outcome)}],
            )  # fmt: skip
        return follows, [Ruled(r.criterion, r.outcome, r.reason, r.comment) for r in rulings]

    def decide(self, card: Scorecard, outcome: Decision, reason: str, changed: Answers) -> AuditRevised | AuditDisputed:
        """Settle a dispute; what the others are told of it.

        `upheld`: the verdict stands. `overturned`: the audit counts for nothing any more. `wrong_agent`: so too, and
        `moved` says what becomes of it. `revised`: the answers `changed` replace what was wrong, and the score is made
        anew; a fail that so becomes a pass, or nothing at all, is overturned as well.
        """
        self._must(self.status == "disputed")
        if (outcome == "revised") != bool(changed):
            raise Invalid("Give the answers that change with the outcome revised, and with no other.")
        check_known(self.seen_of(card), changed, "answers")
        self.status = "overturned" if outcome == "wrong_agent" else outcome
        if outcome == "upheld":
            self.version += 1
            return AuditDisputed(audit_id=self.id, revision=self.revision, employee_id=self.employee_id, open=False)
        if outcome != "revised":
            self._stands(NOTHING)
            return self._taken_back(reason)
        self.answers = {**self.answers, **changed}
        check_complete(self.seen_of(card), self.answers)
        verdict = score(self.seen_of(card), self.answers)
        self._stands(verdict)
        if self.result != "failed":
            return self._taken_back(reason, verdict)
        return AuditRescored(
            audit_id=self.id, revision=self.revision, employee_id=self.employee_id, reason=reason,
            score=_told(self.score), possible_points=verdict.possible_points, passed=False,
            failed_criteria=self._failures(verdict),
        )  # fmt: skip

    def moved(
        self, card: Scorecard, id: UUID, employee_id: UUID, at: datetime
    ) -> "tuple[Audit, AuditPassed | AuditFailed | None]":
        """The same verdict, new for the employee whose call it was, and its event. `self` is still in dispute."""
        self._must(self.status == "disputed")
        new = replace(
            self, id=id, employee_id=employee_id, moved_from=self.id, version=0, revision=0, draw_id=None,
            acknowledged_at=None, created_at=at,
        )  # fmt: skip
        outcome = score(new.seen_of(card), new.answers)
        new._stands(outcome)
        return new, new._released(card, outcome, at)

    def void(self, reason: str) -> AuditOverturned | None:
        """It should not have been made. The event, or None where nobody was told of it."""
        self._must(self.status not in ("disputed", "voided"))
        told = self.released_at is not None and self.result is not None
        self.status = "voided"
        self._stands(NOTHING)
        return self._taken_back(reason) if told else None

    def check_auditor(self, sub: str) -> None:
        """Raise `Forbidden` unless this is the auditor's own audit."""
        if sub != self.auditor_id:
            raise Forbidden("This audit is assigned to another auditor.")

    def check_judge(self, sub: str) -> None:
        """Raise `Forbidden` if whoever releases it or decides a dispute made the audit, or is its subject."""
        if sub == self.auditor_id or person(sub) == self.employee_id:
            raise Forbidden(
                "A dispute is decided, and an audit released, by neither the auditor who made the audit nor the "
                "employee it is about."
            )

    def seen_of(self, card: Scorecard) -> Scorecard:
        """The scorecard with the criteria that are looked at."""
        return card if self.focus is None else narrowed(card, self.focus)

    def _released(self, card: Scorecard, outcome: Outcome, at: datetime) -> AuditPassed | AuditFailed | None:
        self.status, self.released_at = "submitted", at
        if outcome.result is None:
            return None
        assert self.submitted_at is not None
        kind = AuditPassed if outcome.result == "passed" else AuditFailed
        return kind(
            audit_id=self.id,
            revision=self.revision,
            recording_id=self.recording_id,
            call_id=self.call_id,
            employee_id=self.employee_id,
            auditor_id=self.auditor_id,
            scorecard=card.label,
            score=_told(outcome.score),
            possible_points=outcome.possible_points,
            passing_score=card.passing_score,
            critical_errors=outcome.critical_errors,
            failed_criteria=self._failures(outcome),
            submitted_at=self.submitted_at,
        )

    def _failures(self, outcome: Outcome) -> tuple[FailedCriterion, ...]:
        return tuple(
            FailedCriterion(
                criterion=criterion.key,
                competency=criterion.competency,
                error_class=criterion.error_class,
                score=outcome.marks[criterion.key],
                at_seconds=self.answers[criterion.key].at_seconds,
            )
            for criterion in outcome.failed
        )

    def _taken_back(self, reason: str, outcome: Outcome = NOTHING) -> AuditOverturned:
        return AuditOverturned(
            audit_id=self.id, revision=self.revision, employee_id=self.employee_id, reason=reason,
            score=_told(outcome.score), possible_points=outcome.possible_points,
            passed=None if outcome.result is None else True,
        )  # fmt: skip

    def _stands(self, outcome: Outcome) -> None:
        self.raw_score, self.score, self.result = outcome.raw_score, outcome.score, outcome.result
        self.critical_errors, self.fatal_hit = outcome.critical_errors, outcome.fatal_hit
        self.failed = tuple(criterion.key for criterion in outcome.failed)
        self.marks = dict(outcome.marks)
        self.accuracy = {error_class: tally._asdict() for error_class, tally in outcome.accuracy.items()}
        self.version += 1
        self.revision += 1

    def _must(self, holds: bool) -> None:
        if not holds:
            again = "disputes, if the rules allow another"
            allowed = {
                "draft": "answers, submit", "unreleased": "release", "disputed": "disputes/decision",
                "upheld": again, "revised": again if self.disputable else "-",
            }  # fmt: skip
            raise IllegalState(
                "The audit is {status}, its result {result}; what can be done with it now: {allowed}.",
                status=self.status,
                result=self.result or "-",
                allowed=allowed.get(self.status) or ("disputes" if self.disputable else "-"),
            )


def _told(score: Decimal | None) -> Any:
    """What bonus sections lift above 100 stays in QA: outside, scores go from 0 to 100."""
    return None if score is None else min(score, FULL)
