"""How does an audit go from draft to its end, and what must the others be told?

    draft --submit--> submitted --dispute (of a fail)--> disputed --decision--> upheld | revised | overturned

`revision` counts the verdicts: 1 with the submission, one more with each decision that changes it. `version` counts all
changes and guards against two people overwriting each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, get_args
from uuid import UUID

from pydantic import StringConstraints

from services.qa.domain.scoring import NOTHING, Answers, Outcome, Result, Scorecard, check_complete, check_known, score
from shared.contracts.qa import AuditFailed, AuditOverturned, AuditPassed, AuditRescored, FailedCriterion
from shared.errors import Forbidden, IllegalState, Invalid

Status = Literal["draft", "submitted", "disputed", "upheld", "revised", "overturned"]
STATUSES: tuple[Status, ...] = get_args(Status)
Purpose = Literal["standard"]
Decision = Literal["upheld", "revised", "overturned"]
ReasonCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
"""A code, because reasons travel in events, and events carry no free text."""


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
    """One auditor's judgement of one interaction. Employee and scorecard version are those of its creation."""

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
    created_at: datetime
    submitted_at: datetime | None

    @property
    def disputable(self) -> bool:
        return self.status == "submitted" and self.result == "failed"

    def answer(self, card: Scorecard, answers: Answers) -> None:
        """Replace the answers of a draft; they need not be complete yet."""
        self._must(self.status == "draft")
        check_known(card, answers, "answers")
        self.answers = answers
        self.version += 1

    def submit(self, card: Scorecard, at: datetime) -> AuditPassed | AuditFailed | None:
        """Score the answers; the event, or None where nothing was applicable and so nothing is said."""
        self._must(self.status == "draft")
        check_complete(card, self.answers)
        outcome = score(card, self.answers)
        self._stands(outcome)
        self.status, self.submitted_at = "submitted", at
        if outcome.result is None:
            return None
        kind = AuditPassed if outcome.result == "passed" else AuditFailed
        return kind(
            audit_id=self.id,
            revision=self.revision,
            recording_id=self.recording_id,
            call_id=self.call_id,
            employee_id=self.employee_id,
            auditor_id=self.auditor_id,
            scorecard=card.label,
            score=outcome.score,
            passing_score=card.passing_score,
            critical_errors=outcome.critical_errors,
            failed_criteria=tuple(
                FailedCriterion(
                    criterion=criterion.key,
                    competency=criterion.competency,
                    error_class=criterion.error_class,
                    score=Decimal(0),
                    at_seconds=self.answers[criterion.key].at_seconds,
                )
                for criterion in outcome.failed
            ),
            submitted_at=at,
        )

    def dispute(self) -> None:
        """The employee does not accept the fail."""
        self._must(self.disputable)
        self.status = "disputed"
        self.version += 1

    def decide(
        self, card: Scorecard, outcome: Decision, reason: str, changed: Answers
    ) -> AuditOverturned | AuditRescored | None:
        """Settle a dispute; the event, or None where nothing changed.

        `upheld`: the verdict stands. `overturned`: the audit counts for nothing any more. `revised`: the answers
        `changed` replace what was wrong, and the score is made anew; a fail that so becomes a pass, or nothing at all,
        is overturned as well.
        """
        self._must(self.status == "disputed")
        if (outcome == "revised") != bool(changed):
            raise Invalid("Give the answers that change with the outcome revised, and with no other.")
        check_known(card, changed, "answers")
        self.status = outcome
        if outcome == "upheld":
            self.version += 1
            return None
        self.answers = {**self.answers, **changed}
        self._stands(score(card, self.answers) if outcome == "revised" else NOTHING)
        told = {"audit_id": self.id, "revision": self.revision, "employee_id": self.employee_id, "reason": reason}
        if self.result == "failed":
            return AuditRescored(**told, score=self.score, passed=False)
        return AuditOverturned(**told, score=self.score, passed=None if self.result is None else True)

    def check_auditor(self, sub: str) -> None:
        """Raise `Forbidden` unless this is the auditor's own audit."""
        if sub != self.auditor_id:
            raise Forbidden("This audit is assigned to another auditor.")

    def check_judge(self, sub: str) -> None:
        """Raise `Forbidden` if whoever decides a dispute made the audit, or is its subject."""
        if sub == self.auditor_id or person(sub) == self.employee_id:
            raise Forbidden(
                "A dispute is decided by neither the auditor who made the audit nor the employee it is about."
            )

    def _stands(self, outcome: Outcome) -> None:
        self.raw_score, self.score, self.result = outcome.raw_score, outcome.score, outcome.result
        self.critical_errors = outcome.critical_errors
        self.version += 1
        self.revision += 1

    def _must(self, holds: bool) -> None:
        if not holds:
            allowed = {"draft": "answers, submit", "disputed": "disputes/decision"}.get(self.status)
            raise IllegalState(
                "The audit is {status}, its result {result}; what can be done with it now: {allowed}.",
                status=self.status,
                result=self.result or "-",
                allowed=allowed or ("disputes" if self.disputable else "-"),
            )
