"""What can be learned, in what order of proof: courses, programmes, enrolments, examinations, certificates?"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.training.domain.rules import Codes, Days, Person
from shared.errors import IllegalState, Invalid
from shared.numbers import Number, Score, rounded

Subject = Literal[
    "product_knowledge",
    "customer_psychology",
    "communication",
    "service_process",
    "problem_solving",
    "culture_and_policy",
]
Method = Literal["online", "workshop", "simulated_calls"]
Purpose = Literal["pre_job", "culture", "coaching", "plan"]
Source = Literal["rule", "plan", "coaching", "appraisal", "hand"]
EnrolmentStatus = Literal["enrolled", "on_hold", "completed", "failed", "cancelled"]
Words = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True, pattern=r"^[^\x00]*$")]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
Hours = Annotated[Number, Field(gt=0, le=1000, decimal_places=2)]

PRE_JOB_HOURS = Decimal(40)
"""Before a new agent takes calls."""


class Question(BaseModel):
    """With `choices` the product marks it, by the index of the right one in `answer`; without, an examiner does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    text: Words
    points: Annotated[Number, Field(gt=0, le=1000)] = Decimal(1)
    choices: Annotated[tuple[Words, ...], Field(max_length=20)] = ()
    answer: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        if bool(self.choices) != (self.answer is not None) or (self.choices and self.answer not in self._indices()):
            raise ValueError("a question with choices has an answer among them, and one without has none")
        return self

    def _indices(self) -> range:
        return range(len(self.choices))


class Examination(BaseModel):
    """`pass_mark` out of 100; so many attempts, with so many days in between."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    questions: Annotated[tuple[Question, ...], Field(max_length=200)] = ()
    pass_mark: Score = Decimal(80)
    attempts: Annotated[int, Field(ge=1, le=20)] = 2
    days_between: Annotated[int, Field(ge=0, le=365)] = 0

    @model_validator(mode="after")
    def _no_key_twice(self) -> Self:
        if len({question.key for question in self.questions}) < len(self.questions):
            raise ValueError("two questions have the same key")
        return self

    def mark(self, answers: Mapping[str, int]) -> Score:
        """The score of these answers, out of 100. Raises `Invalid` where the product cannot mark."""
        if not self.questions or not all(question.choices for question in self.questions):
            raise Invalid("This examination has questions that an examiner marks; give a score.")
        unknown = set(answers) - {question.key for question in self.questions}
        if unknown:
            raise Invalid("The examination has no question {keys}.", keys=", ".join(sorted(unknown)))
        reached = sum((q.points for q in self.questions if answers.get(q.key) == q.answer), Decimal(0))
        return rounded(100 * reached / sum(q.points for q in self.questions))


class Certificate(BaseModel):
    """Valid for `valid_days` from the day of passing, or up to the next `valid_until` (month-day); with neither, for
    ever."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    valid_days: Annotated[int, Field(ge=1, le=20_000)] | None = None
    valid_until: Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.valid_days is not None and self.valid_until is not None:
            raise ValueError("give valid_days or valid_until, not both")
        if self.valid_until is not None:
            month, day = map(int, self.valid_until.split("-"))
            date(2001, month, day)  # a ValueError for the 30th of February
        return self

    def last_day(self, granted_on: date) -> date | None:
        """The last day on which it is valid; None for ever."""
        if self.valid_days is not None:
            return granted_on + timedelta(days=self.valid_days)
        if self.valid_until is None:
            return None
        month, day = map(int, self.valid_until.split("-"))
        this_year = date(granted_on.year, month, day)
        return this_year if this_year > granted_on else date(granted_on.year + 1, month, day)


class Course(BaseModel):
    """One edition of a course. Editions never change: a changed course is the next edition of its code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Key
    name_en: Words
    name_zh: Words
    subject: Subject
    method: Method
    hours: Hours
    competencies: Codes = ()
    documents: Codes = ()
    """Codes of the documents whose reading the employee acknowledges."""
    examination: Examination | None = None
    certificate: Certificate | None = None

    @property
    def attended(self) -> bool:
        """Whether hours count only where somebody was there; online, everybody learns in their own time."""
        return self.method != "online"


class WhoLearns(BaseModel):
    """Whom a programme enrols by itself: everything that is given must hold; nothing given enrols nobody.

    `newcomer_days`: who started so many days ago at the most. `appraisal_below`: whose final appraisal was lower.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: Codes = ()
    teams: Codes = ()
    tenure_from_days: Days | None = None
    newcomer_days: Days | None = None
    appraisal_below: Score | None = None

    def fits(self, person: Person, today: date, appraisal: Decimal | None = None) -> bool:
        if self == WhoLearns():
            return False
        if (self.roles and person.role not in self.roles) or (self.teams and person.team not in self.teams):
            return False
        if self.appraisal_below is not None and (appraisal is None or appraisal >= self.appraisal_below):
            return False
        if self.tenure_from_days is None and self.newcomer_days is None:
            return True
        if person.started_on is None:
            return False
        days = (today - person.started_on).days
        return (self.tenure_from_days is None or days >= self.tenure_from_days) and (
            self.newcomer_days is None or days <= self.newcomer_days
        )


def check_programme(purpose: Purpose, hours: Mapping[str, Decimal]) -> None:
    """Raise `Invalid` for a pre-job programme that is too short; `hours` of each of its courses."""
    total = sum(hours.values(), Decimal(0))
    if purpose == "pre_job" and total < PRE_JOB_HOURS:
        raise Invalid(
            "A pre-job programme holds at least {least} hours; its courses hold {hours}: add courses.",
            least=PRE_JOB_HOURS, hours=total,
        )  # fmt: skip


def check_attempt(examination: Examination, before: Sequence[Any], today: date) -> int:
    """The number of the next attempt; `before` are the rows of those that were made.

    Raises `IllegalState` where none is left, or it comes too soon.
    """
    if any(attempt["passed"] for attempt in before):
        raise IllegalState("The examination is passed already; for a new certificate, enrol again.")
    if len(before) >= examination.attempts:
        raise IllegalState("All {attempts} attempts are used; enrol again to learn again.", attempts=len(before))
    if before:
        earliest = before[-1]["day"] + timedelta(days=examination.days_between)
        if today < earliest:
            raise IllegalState("The next attempt is possible from {day} on.", day=earliest.isoformat())
    return len(before) + 1


def lacks(course: Course, hours: Decimal, documents: Sequence[str], passed: bool) -> list[str]:
    """What is still to be done before the course is completed."""
    left = []
    if course.attended and hours < course.hours:
        left.append("attendance")
    if set(course.documents) - set(documents):
        left.append("documents")
    if course.examination and not passed:
        left.append("examination")
    return left
