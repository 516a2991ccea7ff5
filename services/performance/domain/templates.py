"""How does a cycle turn what is known of somebody into scores, a total and a grade?

A dimension's score is the mean of what stands in the ledger for it. The total is the mean of the dimensions weighted by
their weights. A dimension without a score is left out and the other weights count for more: missing is never 0.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.events import Code
from shared.numbers import Number, Score, rounded

AUDIT_DIMENSION = "service_quality"
AUDIT_INDICATOR = "audit_score"

Weight = Annotated[Number, Field(gt=0, le=100, max_digits=7)]


class Band(BaseModel):
    """A grade and the least total that earns it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grade: Code
    at_least: Score


class Template(BaseModel):
    """The rules of a cycle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimensions: dict[Code, Weight] = {
        AUDIT_DIMENSION: Decimal(50),
        "efficiency": Decimal(30),
        "team_contribution": Decimal(10),
        "personal_development": Decimal(10),
    }
    """Weight of each, in percent."""
    audits: Literal["mean_of_scores"] = "mean_of_scores"
    """Each audit counts the same, however many criteria it had."""
    missing: Literal["renormalise"] = "renormalise"
    """What a dimension without a score does: the others' weights are scaled to 100."""
    bands: tuple[Band, ...] = (
        Band(grade="A", at_least=Decimal(90)),
        Band(grade="B", at_least=Decimal(80)),
        Band(grade="C", at_least=Decimal(70)),
        Band(grade="D", at_least=Decimal(0)),
    )
    """Best first, the last from 0."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if AUDIT_DIMENSION not in self.dimensions:
            raise ValueError(f"the dimensions need {AUDIT_DIMENSION}, which audits count for")
        if (together := sum(self.dimensions.values())) != 100:
            raise ValueError(f"the weights of the dimensions add up to {together}, not to 100")
        starts = [band.at_least for band in self.bands]
        if not starts or starts[-1] != 0 or starts != sorted(set(starts), reverse=True):
            raise ValueError("the bands must be in order, the best first and the last from 0")
        if len({band.grade for band in self.bands}) < len(self.bands):
            raise ValueError("each grade can have one band only")
        return self


class Standing(NamedTuple):
    """What stands in the ledger for one dimension: the sum of the values, and how many they are."""

    sum: Decimal
    n: int


class Dimension(NamedTuple):
    """A dimension's weight, its score (null where nothing is known) and how many entries that rests on."""

    weight: Decimal
    score: Decimal | None
    n: int


class Result(NamedTuple):
    """What an appraisal comes to."""

    dimensions: dict[str, Dimension]
    total: Decimal | None
    grade: str | None


def mean(standing: Standing) -> Decimal | None:
    return rounded(standing.sum / standing.n) if standing.n else None


def result(template: Template, standings: Mapping[str, Standing]) -> Result:
    """Scores, total (both half-even to two places) and grade for what stands."""
    dimensions = {}
    for name, weight in template.dimensions.items():
        standing = standings.get(name, Standing(Decimal(0), 0))
        dimensions[name] = Dimension(weight, mean(standing), standing.n)
    total = weighted({name: d.score for name, d in dimensions.items()}, template)
    return Result(dimensions, total, grade(total, template))


def weighted(scores: Mapping[str, Decimal | None], template: Template) -> Decimal | None:
    """The mean of the scores that are there, weighted and renormalised; None where there are none."""
    known = [(template.dimensions[name], score) for name, score in scores.items() if score is not None]
    if not known:
        return None
    return rounded(sum((w * s for w, s in known), Decimal(0)) / sum(w for w, _ in known))


def grade(total: Decimal | None, template: Template) -> str | None:
    if total is None:
        return None
    return next(band.grade for band in template.bands if total >= band.at_least)
