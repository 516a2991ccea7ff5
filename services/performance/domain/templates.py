"""How does a cycle turn what is known of somebody into scores, a total and a grade?

An indicator's score is the mean of the points of what stands in the ledger for it; audits weigh the same each
(`mean_of_scores`) or by the points that could be earned in them (`pooled_points`). A dimension's score is the weighted
mean of its indicators, the total the weighted mean of the dimensions, plus adjustments, within 0 and 100. An indicator
without a score is left out and the others count for more; what a dimension without one does, the template says. Missing
is never 0.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import sqrt
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.errors import Invalid
from shared.events import Code
from shared.numbers import Number, Score, rounded
from shared.statistics import Interval

AUDIT_DIMENSION = "service_quality"
AUDIT_INDICATOR = "audit_score"
ADJUSTMENT = "adjustment"
"""Dimension and indicator of entries that move the total itself."""

ZERO, FULL = Decimal(0), Decimal(100)
Weight = Annotated[Number, Field(gt=0, le=100, max_digits=7)]
DEFAULT_INDICATORS: Mapping[str, Mapping[str, Decimal]] = {
    AUDIT_DIMENSION: {
        AUDIT_INDICATOR: Decimal(40), "satisfaction": Decimal(20), "resolution_rate": Decimal(15),
        "first_contact_resolution": Decimal(10), "accuracy_customer_critical": Decimal(5),
        "accuracy_business_critical": Decimal(5), "accuracy_compliance_critical": Decimal(5),
    },
    "efficiency": {"handling_time": Decimal(50), "answered_within_20s": Decimal(25), "speed_of_answer": Decimal(25)},
    "team_contribution": {"team_rating": FULL},
    "personal_development": {
        "development_rating": Decimal(50), "training_attendance": Decimal(25), "examination_score": Decimal(25)
    },
}  # fmt: skip
"""What counts for the dimensions that ship, in percent of each."""


class Band(BaseModel):
    """A grade, the least total that earns it, and what follows from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grade: Code
    at_least: Score
    share: Score | None = None
    """Percent of the people one would expect here: guidance to compare with, never forced."""
    bonus: Annotated[Number, Field(ge=0, le=10)] | None = None
    """Coefficient of the bonus."""
    commended: bool = False
    improve: bool = False
    """Training needs are published and an improvement plan is opened."""


class Promotion(BaseModel):
    """Who may be proposed for the next role: these grades in so many of their last finalised cycles of the kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Code
    to: Code
    grades: tuple[Code, ...]
    cycles: Annotated[int, Field(ge=1, le=12)] = 2


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
    indicators: dict[Code, dict[Code, Weight]] = {}
    """What counts in each dimension, with its weight in percent; by default what ships for it."""
    audits: Literal["mean_of_scores", "pooled_points"] = "mean_of_scores"
    """Each audit counts the same, or as much as points could be earned in it."""
    missing: Literal["renormalise", "block"] = "renormalise"
    """What a dimension without a score does: the others' weights are scaled to 100, or there is no total."""
    corrections: Literal["own_period", "current", "ignore"] = "own_period"
    """What becomes of audits that change after the close: the closed appraisal is revised; or it stays, and what its
    total would have moved by goes to the current one as an adjustment; or nothing."""
    corrections_within_days: Annotated[int, Field(ge=0, le=3660)] | None = None
    """Corrections told later than so many days after the close are ignored; null: never."""
    appeal_days: Annotated[int, Field(ge=0, le=366)] = 14
    """How long after finalisation one can appeal."""
    bands: tuple[Band, ...] = (
        Band(grade="A", at_least=Decimal(90), share=Decimal(15), bonus=Decimal("1.5"), commended=True),
        Band(grade="B", at_least=Decimal(80), share=Decimal(50), bonus=Decimal("1.2")),
        Band(grade="C", at_least=Decimal(70), share=Decimal(25), bonus=Decimal("1.0")),
        Band(grade="D", at_least=ZERO, share=Decimal(10), bonus=ZERO, improve=True),
    )
    """Best first, the last from 0."""
    promotions: tuple[Promotion, ...] = (
        Promotion(role="agent", to="senior_agent", grades=("A", "B")),
        Promotion(role="senior_agent", to="supervisor", grades=("A",)),
    )
    checkpoint_days: tuple[Annotated[int, Field(ge=1, le=366)], ...] = (30, 60, 90)
    """Days after which an improvement plan is looked at."""

    @model_validator(mode="before")
    @classmethod
    def _usual_indicators(cls, given: object) -> object:
        if not isinstance(given, dict) or given.get("indicators"):
            return given
        names = given.get("dimensions", cls.model_fields["dimensions"].default)
        if not isinstance(names, dict):
            return given
        usual = {name: dict(DEFAULT_INDICATORS[name]) for name in names if name in DEFAULT_INDICATORS}
        return {**given, "indicators": usual}

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (together := sum(self.dimensions.values())) != FULL:
            raise ValueError(f"the weights of the dimensions add up to {together}, not to 100")
        if set(self.indicators) != set(self.dimensions):
            raise ValueError("every dimension needs its indicators, and indicators their dimension")
        for name, weights in self.indicators.items():
            if (together := sum(weights.values())) != FULL:
                raise ValueError(f"the weights of the indicators of {name} add up to {together}, not to 100")
        counted = [key for weights in self.indicators.values() for key in weights]
        if len(set(counted)) < len(counted):
            raise ValueError("an indicator counts in one dimension only")
        if AUDIT_INDICATOR not in counted:
            raise ValueError(f"one dimension has to count {AUDIT_INDICATOR}: failed audits must show")
        if ADJUSTMENT in self.dimensions:
            raise ValueError(f"no dimension can be called {ADJUSTMENT}")
        self._check_bands()
        return self

    def _check_bands(self) -> None:
        starts = [band.at_least for band in self.bands]
        if not starts or starts[-1] != 0 or starts != sorted(set(starts), reverse=True):
            raise ValueError("the bands must be in order, the best first and the last from 0")
        grades = {band.grade for band in self.bands}
        if len(grades) < len(self.bands):
            raise ValueError("each grade can have one band only")
        shares = [band.share for band in self.bands if band.share is not None]
        if shares and (len(shares) < len(self.bands) or sum(shares) != FULL):
            raise ValueError("shares are given for all bands and add up to 100, or for none")
        if unknown := {grade for rule in self.promotions for grade in rule.grades} - grades:
            # Bands of one's own come with rules of one's own; the ones that ship name the grades that ship.
            if "promotions" in self.model_fields_set:
                raise ValueError(f"promotions name grades that have no band: {', '.join(sorted(unknown))}")
            object.__setattr__(self, "promotions", ())

    def weighed(self, weights: Mapping[str, Decimal]) -> "Template":
        """The same with these weights of the dimensions. Raises `Invalid` where they are of others."""
        if set(weights) != set(self.dimensions):
            raise Invalid(
                "The weighting is of {theirs}, the template has the dimensions {ours}; they have to be the same.",
                theirs=", ".join(sorted(weights)), ours=", ".join(sorted(self.dimensions)),
            )  # fmt: skip
        return Template.model_validate(
            {**self.model_dump(exclude_unset=True), "indicators": self.indicators, "dimensions": weights}
        )

    @property
    def audit_dimension(self) -> str:
        return next(name for name, weights in self.indicators.items() if AUDIT_INDICATOR in weights)

    @property
    def pooled(self) -> bool:
        """Whether each audit counts as much as points could be earned in it."""
        return self.audits == "pooled_points"

    def band(self, grade: str | None) -> Band | None:
        return next((band for band in self.bands if band.grade == grade), None)


PROBATION = Template(
    dimensions={AUDIT_DIMENSION: Decimal(40), "learning": Decimal(30), "conduct": Decimal(30)},
    indicators={
        AUDIT_DIMENSION: {AUDIT_INDICATOR: Decimal(70), "satisfaction": Decimal(30)},
        "learning": {"examination_score": FULL},
        "conduct": {"mentor_rating": FULL},
    },
    bands=(
        Band(grade="passed", at_least=Decimal(70)),
        Band(grade="not_passed", at_least=ZERO, improve=True),
    ),
    promotions=(),
)  # fmt: skip
"""Audits and training in probation, and what the mentor says."""


class Standing(NamedTuple):
    """What stands in the ledger for one indicator: sum of points × weight, sum of weights, and how many they are.

    `variance` is that of the mean; null where it is unknown.
    """

    sum: Decimal
    weight: Decimal
    n: int
    variance: float | None = None

    @property
    def score(self) -> Decimal:
        return self.sum / self.weight


Standings = Mapping[str, Mapping[str, Standing]]
"""By dimension and indicator."""


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
    interval: Interval | None = None
    """95 %, of the total; null where it is not known how sure one part of it is."""


def dimension_score(weights: Mapping[str, Decimal], standings: Mapping[str, Standing]) -> Decimal | None:
    """The weighted mean of the indicators that have a score, half-even to two places."""
    known = [(weights[key], standings[key].score) for key in weights if key in standings]
    return mean_of(known)


def mean_of(known: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """The mean of (weight, score), half-even to two places; None of nothing."""
    pairs = list(known)
    if not pairs:
        return None
    return rounded(sum((w * s for w, s in pairs), ZERO) / sum(w for w, _ in pairs))


def weighted(scores: Mapping[str, Decimal | None], template: Template) -> Decimal | None:
    """The total before adjustments, half-even to two places."""
    if template.missing == "block" and any(scores.get(name) is None for name in template.dimensions):
        return None
    return mean_of((w, s) for name, w in template.dimensions.items() if (s := scores.get(name)) is not None)


def limited(total: Decimal) -> Decimal:
    return min(FULL, max(ZERO, total))


def result(template: Template, standings: Standings, adjusted: Decimal = ZERO) -> Result:
    """Scores, total and grade for what stands."""
    dimensions = {}
    for name, weight in template.dimensions.items():
        own = standings.get(name, {})
        score = dimension_score(template.indicators[name], own)
        n = sum(own[key].n for key in template.indicators[name] if key in own)
        dimensions[name] = Dimension(weight, score, n)
    base = weighted({name: d.score for name, d in dimensions.items()}, template)
    total = None if base is None else limited(base + adjusted)
    return Result(dimensions, total, grade(total, template), interval(template, standings, total))


def interval(template: Template, standings: Standings, total: Decimal | None) -> Interval | None:
    """Total ± 1.96 standard errors, the errors of the indicators taken as independent; to two places, within 0 and 100.

    The weights are those that are in force, after what is missing has been left out.
    """
    if total is None:
        return None
    variance, together = 0.0, 0.0
    for name, weight in template.dimensions.items():
        weights = template.indicators[name]
        known = [key for key in weights if key in standings.get(name, {})]
        if not known:
            continue
        together += float(weight)
        within = float(sum(weights[key] for key in known))
        for key in known:
            one = standings[name][key].variance
            if one is None:
                return None
            variance += (float(weight) * float(weights[key]) / within) ** 2 * one
    reach = rounded(Decimal(1.959963984540054 * sqrt(variance) / together)) if together else ZERO
    return Interval(limited(total - reach), limited(total + reach))


def grade(total: Decimal | None, template: Template) -> str | None:
    if total is None:
        return None
    return next(band.grade for band in template.bands if total >= band.at_least)
