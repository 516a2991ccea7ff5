"""What do the steps of a requisition make of its applications, and how good are those it hired?"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from services.recruiting.domain.steps import STEP
from shared.statistics import Interval, wilson

FIRST_DAYS = 90
"""How long after the first day an audit says something of the hiring."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`successes` of `n`, with the 95 % Wilson interval; rate and interval are None where n is 0."""

    successes: int
    n: int
    rate: Decimal | None
    interval: Interval | None

    @classmethod
    def of(cls, successes: int, n: int) -> "Rate":
        rate = (Decimal(successes) / n).quantize(Decimal("0.0001")) if n else None
        return cls(successes, n, rate, wilson(successes, n))


@dataclass(frozen=True, slots=True)
class Passage:
    """How a step was passed, over all visits: one that opens again is entered again.

    `entered` = `left` + `closed` + `open`: left by an outcome of its own, closed since the record ended elsewhere, open
    still. `days` are calendar days from entering to leaving or closing, None where nobody has.
    """

    n: int
    entered: int
    left: int
    closed: int
    open: int
    outcomes: Mapping[str, int]
    median_days: Decimal | None
    p90_days: Decimal | None

    @property
    def yielded(self) -> Rate:
        """Of those left: how many by an outcome that completes the step."""
        completing = {outcome.key for outcome in STEP[self.n].outcomes if outcome.completes}
        return Rate.of(sum(n for key, n in self.outcomes.items() if key in completing), self.left)


@dataclass(frozen=True, slots=True)
class Source:
    """What a channel cost, and what came of it. `hired` are those who accepted an offer."""

    channel: str
    cost: Decimal | None
    applications: int
    hired: int

    @property
    def yielded(self) -> Rate:
        return Rate.of(self.hired, self.applications)

    @property
    def cost_per_application(self) -> Decimal | None:
        return _each(self.cost, self.applications)

    @property
    def cost_per_hire(self) -> Decimal | None:
        return _each(self.cost, self.hired)


@dataclass(frozen=True, slots=True)
class Hire:
    """Somebody hired: whence, scored by whom, and what became of them.

    `probation_passed` is None while that is not decided; `appraisal` is the total of the probation appraisal. Audits
    are those of the first 90 days that count.
    """

    channel: str
    interviewers: Collection[str]
    probation_passed: bool | None
    appraisal: Decimal | None
    audits: int
    audits_passed: int


@dataclass(frozen=True, slots=True)
class Quality:
    """How good those are who came by one channel, or whom one interviewer scored."""

    hired: int
    probation: Rate
    audits: Rate
    appraised: int
    mean_appraisal: Decimal | None


def quality(hires: Iterable[Hire]) -> Quality:
    hires = list(hires)
    decided = [hire.probation_passed for hire in hires if hire.probation_passed is not None]
    appraised = [hire.appraisal for hire in hires if hire.appraisal is not None]
    mean = (sum(appraised, Decimal(0)) / len(appraised)).quantize(Decimal("0.01")) if appraised else None
    return Quality(
        len(hires), Rate.of(sum(decided), len(decided)),
        Rate.of(sum(hire.audits_passed for hire in hires), sum(hire.audits for hire in hires)), len(appraised), mean,
    )  # fmt: skip


def by_channel(hires: Collection[Hire]) -> dict[str, Quality]:
    return {key: quality(h for h in hires if h.channel == key) for key in sorted({h.channel for h in hires})}


def by_interviewer(hires: Collection[Hire]) -> dict[str, Quality]:
    """Somebody whom two interviewers scored counts for both."""
    members = sorted({member for hire in hires for member in hire.interviewers})
    return {member: quality(h for h in hires if member in h.interviewers) for member in members}


def _each(cost: Decimal | None, n: int) -> Decimal | None:
    return (cost / n).quantize(Decimal("0.01")) if cost is not None and n else None
