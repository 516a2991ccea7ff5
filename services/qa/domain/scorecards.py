"""What is a scorecard, and can it be scored?

A scorecard lists criteria, in sections or not, and states by which policies answers to it are scored (`scoring.py`
applies them). A published version never changes, and audits pin the version they were made with.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints

from shared.contracts.performance import WeighedBy
from shared.contracts.qa import ErrorClass
from shared.errors import FieldError, Invalid
from shared.numbers import Number, Score

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
Help = Annotated[str, StringConstraints(max_length=5000, strip_whitespace=True, pattern=r"^[^\x00]*$")]
Weight = Annotated[Number, Field(ge=0, le=100, decimal_places=2)]
Points = Annotated[Number, Field(ge=0, le=1000, decimal_places=2)]
Quantity = Annotated[Number, Field(ge=-1_000_000_000, le=1_000_000_000, max_digits=20)]
Value = Annotated[str, StringConstraints(max_length=5000, pattern=r"^[^\x00]*$")] | Quantity
"""What is answered: `yes`, `no`, the key of an option, a number, a text; or `not_applicable`."""
FULL = Decimal(100)
NOT_APPLICABLE = "not_applicable"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class YesNo(_Part):
    """`yes` earns full marks, `no` nothing."""

    kind: Literal["yes_no"] = "yes_no"


class Option(_Part):
    """One of several answers to choose from, and what it earns."""

    key: Key
    name_en: Words
    name_zh: Words
    points: Points


class Choice(_Part):
    """An option earns its points in parts of the most that one of the options has."""

    kind: Literal["choice"]
    options: Annotated[tuple[Option, ...], Field(min_length=2, max_length=50)]


class Scale(_Part):
    """A whole number; `lowest` earns nothing, `highest` full marks, and those between their part of the way."""

    kind: Literal["scale"]
    lowest: Annotated[int, Field(ge=0, le=100)]
    highest: Annotated[int, Field(ge=1, le=100)]


class Band(_Part):
    """What numbers below `below`, and not in a band before, earn; null: all that are left."""

    below: Quantity | None
    points: Points


class Bands(_Part):
    """A number, such as seconds; its band earns points in parts of the most that one of the bands has."""

    kind: Literal["number"]
    bands: Annotated[tuple[Band, ...], Field(min_length=2, max_length=50)]


class Prose(_Part):
    """Words, which are not scored."""

    kind: Literal["text"]


Kind = Annotated[YesNo | Choice | Scale | Bands | Prose, Field(discriminator="kind")]


class Condition(_Part):
    """The criterion shows only where another one shows and was answered by one of these."""

    criterion: Key
    values: Annotated[tuple[Value, ...], Field(min_length=1, max_length=50)]


class Section(_Part):
    """A heading over some criteria.

    `weight`: with the weighting `section` its share of 100, with `group_multiplier` what its points are multiplied by,
    else null. `bonus` (weighting `points` only): what it earns comes on top of what is possible.
    """

    key: Key
    name_en: Words
    name_zh: Words
    weight: Annotated[Weight, Field(gt=0)] | None = None
    bonus: bool = False


class Criterion(_Part):
    """One thing that is looked at.

    `weight`: its share of 100 (weighting `question`), its share of its section in proportion to the others there
    (`section`), or its points (`group_multiplier`, `points`); 0 for texts. It fails where it earns less than
    `fails_below` per cent of its marks; where that is null, where it earns nothing.
    """

    key: Key
    name_en: Words
    name_zh: Words
    help_en: Help | None = None
    help_zh: Help | None = None
    competency: Key
    weight: Weight = Decimal(0)
    answer: Kind = YesNo()
    fails_below: Annotated[Number, Field(gt=0, le=100, decimal_places=2)] | None = None
    fatal: bool = False
    error_class: ErrorClass = "none"
    comment: Literal["optional", "on_fail", "required"] = "optional"
    section: Key | None = None
    shown_if: Condition | None = None

    @property
    def scored(self) -> bool:
        return self.answer.kind != "text"


class Draft(_Part):
    """What a person writes of a scorecard, and what is exported and imported.

    `weighting` and `not_applicable` are explained in `scoring.py`. `fatal` says what a failed fatal criterion does:
    `score_zero`, the score becomes 0 and the result a fail; `result_fail`, the score stays, the result is a fail;
    `section_zero`, its section earns nothing, and the result follows from the score. `cap`: how far bonus sections may
    lift the score; 100 where it is null. `weighed_by`: the weighting that scored criteria get their weights from when
    it is published, whatever they were written with.
    """

    code: Key
    name_en: Words
    name_zh: Words
    passing_score: Annotated[Score, Field(decimal_places=2)]
    weighting: Literal["question", "section", "group_multiplier", "points"] = "question"
    not_applicable: Literal["redistributed", "full_marks"] = "redistributed"
    fatal: Literal["score_zero", "result_fail", "section_zero"] = "score_zero"
    cap: Annotated[Number, Field(ge=100, le=200, decimal_places=2)] | None = None
    sections: Annotated[tuple[Section, ...], Field(max_length=50)] = ()
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=200)]
    weighed_by: WeighedBy | None = None

    _scorer: Any = PrivateAttr(None)  # `scoring.scorer_of` compiles it once


def weighed(card: Draft, weights: Mapping[str, Decimal]) -> Draft:
    """The same with these weights of the criteria; others keep theirs."""
    criteria = tuple(c.model_copy(update={"weight": weights.get(c.key, c.weight)}) for c in card.criteria)
    return card.model_copy(update={"criteria": criteria})


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


def narrowed(card: Scorecard, keys: Collection[str]) -> Scorecard:
    """The scorecard with these criteria only; where what a condition names is not among them, it holds."""
    criteria = tuple(
        c if c.shown_if is None or c.shown_if.criterion in keys else c.model_copy(update={"shown_if": None})
        for c in card.criteria
        if c.key in keys
    )
    return Scorecard.model_construct(
        **{**{name: getattr(card, name) for name in Scorecard.model_fields}, "criteria": criteria}
    )


def check_scorable(card: Draft) -> None:
    """Raise `Invalid` with the reason if this scorecard cannot be scored."""
    _check_keys(card)
    for n, criterion in enumerate(card.criteria):
        _check_criterion(card, criterion, f"criteria.{n}")
    _check_weights(card)
    in_order(card.criteria)


def in_order(criteria: Iterable[Criterion]) -> list[Criterion]:
    """Each criterion behind the one that its condition names. Raises `Invalid` for a cycle, naming those on it."""
    left = list(criteria)
    done: dict[str, Criterion] = {}
    while left:
        ready = [c for c in left if c.shown_if is None or c.shown_if.criterion in done]
        if not ready:
            keys = ", ".join(c.key for c in left)
            raise Invalid(
                "The conditions of these criteria wait for each other; take one of them away: {keys}.",
                keys=keys, errors=[_wrong("criteria", keys)],
            )  # fmt: skip
        done |= {c.key: c for c in ready}
        left = [c for c in left if c.key not in done]
    return list(done.values())


def _wrong(field: str, message: object) -> FieldError:
    return {"field": field, "message": str(message)}


def _twice(keys: Iterable[str]) -> str:
    return ", ".join(sorted(key for key, n in Counter(keys).items() if n > 1))


def _check_keys(card: Draft) -> None:
    for field, keys in (("criteria", [c.key for c in card.criteria]), ("sections", [s.key for s in card.sections])):
        if twice := _twice(keys):
            raise Invalid("These keys are there twice: {keys}.", keys=twice, errors=[_wrong(field, twice)])


def _check_criterion(card: Draft, criterion: Criterion, field: str) -> None:
    if criterion.section is None:
        if card.weighting in ("section", "group_multiplier") and criterion.scored:
            raise Invalid(
                "With the weighting {weighting} every scored criterion needs a section; {key} has none.",
                weighting=card.weighting, key=criterion.key, errors=[_wrong(f"{field}.section", "")],
            )  # fmt: skip
        if card.fatal == "section_zero" and criterion.fatal:
            raise Invalid(
                "Where a fatal criterion takes its section's score it needs a section; {key} has none.",
                key=criterion.key, errors=[_wrong(f"{field}.section", "")],
            )  # fmt: skip
    elif criterion.section not in {section.key for section in card.sections}:
        raise Invalid(
            "The criterion {key} names the section {section}, which is not there.",
            key=criterion.key, section=criterion.section, errors=[_wrong(f"{field}.section", criterion.section)],
        )  # fmt: skip
    if criterion.scored != bool(criterion.weight):
        raise Invalid(
            "The weight of {key} is {weight}; a criterion with a scored answer has one above 0, a text has 0.",
            key=criterion.key, weight=criterion.weight, errors=[_wrong(f"{field}.weight", criterion.weight)],
        )  # fmt: skip
    if not criterion.scored and (criterion.fatal or criterion.fails_below is not None):
        raise Invalid(
            "The criterion {key} is a text; a text is not scored, so it can neither fail nor be fatal.",
            key=criterion.key, errors=[_wrong(f"{field}.answer", "text")],
        )  # fmt: skip
    _check_answer(criterion, f"{field}.answer")
    _check_condition(card, criterion, f"{field}.shown_if")


def _check_answer(criterion: Criterion, field: str) -> None:
    answer = criterion.answer
    if isinstance(answer, Choice):
        keys = [option.key for option in answer.options]
        if twice := _twice([*keys, NOT_APPLICABLE]):
            raise Invalid(
                "The criterion {key} has options that are there twice or keep a reserved key: {keys}.",
                key=criterion.key, keys=twice, errors=[_wrong(f"{field}.options", twice)],
            )  # fmt: skip
    if isinstance(answer, Scale) and answer.lowest >= answer.highest:
        raise Invalid(
            "The scale of {key} must rise from lowest to highest.",
            key=criterion.key, errors=[_wrong(f"{field}.highest", answer.highest)],
        )  # fmt: skip
    if isinstance(answer, Bands):
        *bounds, last = [band.below for band in answer.bands]
        if last is not None or None in bounds or bounds != sorted(set(bounds), key=lambda b: b or 0):
            raise Invalid(
                "The bands of {key} must rise, and the last one alone has null for below.",
                key=criterion.key, errors=[_wrong(f"{field}.bands", "below")],
            )  # fmt: skip
    if isinstance(answer, Choice | Bands):
        points = [one.points for one in (answer.options if isinstance(answer, Choice) else answer.bands)]
        if not any(points):
            raise Invalid(
                "At least one answer to {key} must earn points.", key=criterion.key, errors=[_wrong(field, "points")]
            )


def _check_condition(card: Draft, criterion: Criterion, field: str) -> None:
    if criterion.shown_if is None:
        return
    other = next((c for c in card.criteria if c.key == criterion.shown_if.criterion), None)
    if other is None:
        raise Invalid(
            "The condition of {key} names the criterion {other}, which is not there.",
            key=criterion.key, other=criterion.shown_if.criterion, errors=[_wrong(f"{field}.criterion", "")],
        )  # fmt: skip
    impossible = [str(value) for value in criterion.shown_if.values if not possible(other, value)]
    if impossible:
        raise Invalid(
            "The condition of {key} waits for what {other} is never answered by: {values}.",
            key=criterion.key, other=other.key, values=", ".join(impossible),
            errors=[_wrong(f"{field}.values", ", ".join(impossible))],
        )  # fmt: skip


def possible(criterion: Criterion, value: str | Decimal) -> bool:
    """Whether the criterion can be answered so."""
    if value == NOT_APPLICABLE:
        return True
    match criterion.answer:
        case YesNo():
            return value in ("yes", "no")
        case Choice(options=options):
            return any(value == option.key for option in options)
        case Scale(lowest=lowest, highest=highest):
            return isinstance(value, Decimal) and value == int(value) and lowest <= value <= highest
        case Bands():
            return isinstance(value, Decimal)
        case Prose():
            return isinstance(value, str)


def _check_weights(card: Draft) -> None:
    if card.weighting == "question":
        total = sum((criterion.weight for criterion in card.criteria), Decimal(0))
        if total != FULL:
            raise Invalid(
                "The weights of the criteria must add up to 100; they add up to {total}.",
                total=total, errors=[_wrong("criteria", f"{total} != {FULL}")],
            )  # fmt: skip
    weighted = card.weighting in ("section", "group_multiplier")
    scored = {criterion.section for criterion in card.criteria if criterion.scored}
    for n, section in enumerate(card.sections):
        if weighted and (section.weight is not None) != (section.key in scored):
            raise Invalid(
                "With the weighting {weighting} sections with scored criteria need a weight, others have none: {key}.",
                weighting=card.weighting, key=section.key, errors=[_wrong(f"sections.{n}.weight", section.weight)],
            )  # fmt: skip
        if not weighted and section.weight is not None:
            raise Invalid(
                "With the weighting {weighting} sections have no weight; take that of {key} away.",
                weighting=card.weighting, key=section.key, errors=[_wrong(f"sections.{n}.weight", section.weight)],
            )  # fmt: skip
    if card.weighting == "section":
        total = sum((section.weight or Decimal(0) for section in card.sections), Decimal(0))
        if total != FULL:
            raise Invalid(
                "The weights of the sections must add up to 100; they add up to {total}.",
                total=total, errors=[_wrong("sections", f"{total} != {FULL}")],
            )  # fmt: skip
    bonus = {section.key for section in card.sections if section.bonus}
    if (bonus or card.cap is not None) and card.weighting != "points":
        raise Invalid(
            "Bonus sections and a cap go with the weighting points only.", errors=[_wrong("weighting", card.weighting)]
        )
    if bonus and scored <= bonus:
        raise Invalid(
            "Some criteria must be outside bonus sections, or nothing is possible that could be earned.",
            errors=[_wrong("sections", ", ".join(sorted(bonus)))],
        )
