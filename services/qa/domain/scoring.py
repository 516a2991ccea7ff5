"""What is a scorecard, and what do the answers to it come to?

A scorecard lists criteria whose weights add up to 100. A published version never changes, and audits pin the version
they were made with. Scoring is one pure function, `score`.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.contracts.qa import ErrorClass
from shared.errors import FieldError, Invalid
from shared.numbers import Number, Score, rounded

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
Weight = Annotated[Number, Field(gt=0, le=100, decimal_places=2)]
Value = Literal["yes", "no", "not_applicable"]
Result = Literal["passed", "failed"]
FULL = Decimal(100)


class Section(BaseModel):
    """A heading over some criteria."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    name_en: Words
    name_zh: Words


class Criterion(BaseModel):
    """One thing that is looked at; `weight` is its share of 100."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    name_en: Words
    name_zh: Words
    competency: Key
    weight: Weight
    fatal: bool = False
    error_class: ErrorClass = "none"
    section: Key | None = None


class Draft(BaseModel):
    """What a person writes of a scorecard.

    `fatal` says what a failed fatal criterion does: `score_zero`, the score becomes 0; `result_fail`, the score stays.
    Either way the result is a fail.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Key
    name_en: Words
    name_zh: Words
    passing_score: Score
    fatal: Literal["score_zero", "result_fail"] = "score_zero"
    sections: Annotated[tuple[Section, ...], Field(max_length=50)] = ()
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=200)]


class Scorecard(Draft):
    """A published version."""

    id: UUID
    version: int
    published_at: AwareDatetime
    published_by: str

    @property
    def label(self) -> str:
        """How events name it."""
        return f"{self.code}@{self.version}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an auditor found on one criterion, and where in the recording. The comment never leaves QA."""

    value: Value
    comment: Annotated[str, StringConstraints(max_length=5000)] | None = None
    at_seconds: Annotated[float, Field(ge=0, le=1_000_000)] | None = None


Answers = Mapping[str, Answer]


class Outcome(NamedTuple):
    """What answers come to.

    `raw_score` is what was earned, `score` what it counts after fatal criteria, both 0 to 100; both and `result` are
    None where nothing was applicable. `critical_errors` are the failed criteria that are fatal.
    """

    raw_score: Decimal | None
    score: Decimal | None
    result: Result | None
    failed: tuple[Criterion, ...]
    critical_errors: tuple[str, ...]


NOTHING = Outcome(None, None, None, (), ())
"""Where there was nothing to judge."""


def check_scorable(card: Draft) -> None:
    """Raise `Invalid` with the reason if this scorecard cannot be scored."""
    for field, keys in (("criteria", [c.key for c in card.criteria]), ("sections", [s.key for s in card.sections])):
        if twice := sorted(key for key, n in Counter(keys).items() if n > 1):
            wrong: FieldError = {"field": field, "message": ", ".join(twice)}
            raise Invalid("These keys are there twice: {keys}.", keys=", ".join(twice), errors=[wrong])
    known = {section.key for section in card.sections}
    for n, criterion in enumerate(card.criteria):
        if criterion.section is not None and criterion.section not in known:
            wrong = {"field": f"criteria.{n}.section", "message": criterion.section}
            raise Invalid(
                "The criterion {key} names the section {section}, which is not there.",
                key=criterion.key, section=criterion.section, errors=[wrong],
            )  # fmt: skip
    total = sum((criterion.weight for criterion in card.criteria), Decimal(0))
    if total != FULL:
        wrong = {"field": "criteria", "message": f"{total} != {FULL}"}
        raise Invalid(
            "The weights of the criteria must add up to 100; they add up to {total}.", total=total, errors=[wrong]
        )


def check_known(card: Scorecard, keys: Collection[str], field: str) -> None:
    """Raise `Invalid` naming those of the keys that are no criteria of this scorecard."""
    if unknown := sorted(set(keys) - {criterion.key for criterion in card.criteria}):
        raise Invalid(
            "The scorecard {scorecard} has no such criteria: {keys}.",
            scorecard=card.label, keys=", ".join(unknown),
            errors=[{"field": f"{field}.{key}", "message": key} for key in unknown],
        )  # fmt: skip


def check_complete(card: Scorecard, answers: Answers) -> None:
    """Raise `Invalid` naming the criteria that have no answer."""
    if missing := [criterion.key for criterion in card.criteria if criterion.key not in answers]:
        raise Invalid(
            "Every criterion needs an answer; these have none: {keys}.",
            keys=", ".join(missing),
            errors=[{"field": f"answers.{key}", "message": key} for key in missing],
        )


def score(card: Scorecard, answers: Answers) -> Outcome:
    """What complete answers come to.

    The score is the weight of what was met in a hundred parts of the weight of what was applicable: so the weight of
    what was not applicable falls to the others in proportion. It is rounded here, half-even to two places, and nowhere
    else; the result follows from the rounded score, so that what people see is consistent.
    """
    met = applicable = Decimal(0)
    failed: list[Criterion] = []
    for criterion in card.criteria:
        value = answers[criterion.key].value
        if value == "not_applicable":
            continue
        applicable += criterion.weight
        if value == "yes":
            met += criterion.weight
        else:
            failed.append(criterion)
    if not applicable:
        return NOTHING
    raw = rounded(FULL * met / applicable)
    critical = tuple(criterion.key for criterion in failed if criterion.fatal)
    counts = rounded(Decimal(0)) if critical and card.fatal == "score_zero" else raw
    passed = not critical and counts >= card.passing_score
    return Outcome(raw, counts, "passed" if passed else "failed", tuple(failed), critical)
