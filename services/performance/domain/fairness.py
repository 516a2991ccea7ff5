"""Were people appraised alike, whoever they are and whoever appraised them?

Managers: the mean of their people's totals, and of what they rated by hand, against that of all others, difference with
an interval (Welch, "The generalization of 'Student's' problem", Biometrika 34 (1947), 28-35), widened for the number of
managers compared (Bonferroni). An interval that holds 0 says nothing against anybody.

Ranks: each total is drawn anew from a normal distribution as wide as its interval, `ROUNDS` times from a given seed (a
parametric bootstrap; Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section 6.5); who lies where how
often says what a rank is worth.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import sqrt
from statistics import NormalDist, fmean, median, variance
from typing import NamedTuple

from pydantic import BaseModel

from services.performance.domain.consequences import Place, Standing, places
from shared.numbers import Number, rounded
from shared.statistics import Z95, Interval

ROUNDS = 200
LEAST = 5
"""Fewer people than this are not told apart from single ones, and no manager is judged by them."""
TENURES = ((180, "under_6_months"), (365, "6_to_12_months"), (3 * 365, "1_to_3_years"))


class Person(NamedTuple):
    """Somebody's total, and what might have mattered and should not."""

    key: str
    total: Decimal | None
    low: Decimal | None
    high: Decimal | None
    grade: str | None
    team: str | None
    manager: str | None
    days_here: int | None
    channel: str | None


class Group(BaseModel):
    """How the totals of a group lie; null for groups of fewer than five."""

    group: str | None
    n: int
    mean: Number | None
    median: Number | None
    lowest: Number | None
    highest: Number | None
    grades: dict[str, int] | None


class Manager(BaseModel):
    """By how much a manager's `n` people lie above the others, with the interval of that."""

    manager_id: str
    n: int
    difference: Number
    low: Number
    high: Number
    unlike: bool
    """The interval does not hold 0."""


class Ranked(BaseModel):
    """Where somebody lies: not before or behind anybody whose interval overlaps; and in 95 % of the draws."""

    appraisal_id: str
    best: int
    worst: int
    drawn_best: int | None
    drawn_worst: int | None


class FairnessReport(BaseModel):
    """How the people of a cycle were appraised."""

    by_team: list[Group]
    by_manager: list[Group]
    by_tenure: list[Group]
    by_source_channel: list[Group]
    managers: list[Manager]
    """By the totals of their people."""
    raters: list[Manager]
    """By what they themselves rated their people by hand, 1 to 5: the mean for each of them."""
    ranks: list[Ranked]
    rank_correlation: Number | None
    """Mean Spearman correlation of the drawn ranks with the given ones: 1, ranks are sure; 0, they are chance."""
    seed: int
    rounds: int


def report(people: Sequence[Person], seed: int, rated: Mapping[str, Sequence[float]] = {}) -> FairnessReport:
    """`rated`: manager → what each person whom they rated got from them."""
    known = [person for person in people if person.total is not None]
    ranks, correlation = _ranks(known, seed)
    return FairnessReport(
        by_team=_groups(known, lambda p: p.team),
        by_manager=_groups(known, lambda p: p.manager),
        by_tenure=_groups(known, lambda p: tenure(p.days_here)),
        by_source_channel=_groups(known, lambda p: p.channel),
        managers=_unlike(_totals_by_manager(known)),
        raters=_unlike(rated),
        ranks=ranks,
        rank_correlation=correlation,
        seed=seed,
        rounds=ROUNDS,
    )


def tenure(days: int | None) -> str | None:
    if days is None:
        return None
    return next((name for most, name in TENURES if days < most), "over_3_years")


def _two(value: float) -> Decimal:
    return rounded(Decimal(value))


def _groups(people: Sequence[Person], by: Callable[[Person], str | None]) -> list[Group]:
    found: dict[str | None, list[Person]] = defaultdict(list)
    for person in people:
        found[by(person)].append(person)
    groups = []
    for name in sorted(found, key=lambda name: (name is None, name)):
        own = found[name]
        if len(own) < LEAST:
            groups.append(Group(group=name, n=len(own), mean=None, median=None, lowest=None, highest=None, grades=None))
            continue
        totals = [person.total for person in own if person.total is not None]
        grades: dict[str, int] = defaultdict(int)
        for person in own:
            if person.grade:
                grades[person.grade] += 1
        groups.append(
            Group(
                group=name,
                n=len(own),
                mean=rounded(sum(totals, Decimal(0)) / len(totals)),
                median=median(totals),
                lowest=min(totals),
                highest=max(totals),
                grades=dict(grades),
            )
        )
    return groups


def _totals_by_manager(people: Sequence[Person]) -> dict[str, list[float]]:
    theirs: dict[str, list[float]] = defaultdict(list)
    for person in people:
        if person.manager and person.total is not None:
            theirs[person.manager].append(float(person.total))
    return theirs


def _unlike(theirs: Mapping[str, Sequence[float]]) -> list[Manager]:
    judged = {name: values for name, values in theirs.items() if len(values) >= LEAST}
    if len(judged) < 2:
        return []
    reach = NormalDist().inv_cdf(1 - 0.025 / len(judged))
    found = []
    for name, own in sorted(judged.items()):
        others = [value for other, values in theirs.items() if other != name for value in values]
        difference = fmean(own) - fmean(others)
        error = reach * sqrt(variance(own) / len(own) + variance(others) / len(others))
        low, high = _two(difference - error), _two(difference + error)
        found.append(
            Manager(
                manager_id=name, n=len(own), difference=_two(difference), low=low, high=high, unlike=low > 0 or high < 0
            )
        )
    return found


def _ranks(people: Sequence[Person], seed: int) -> tuple[list[Ranked], Decimal | None]:
    standings = [
        Standing(p.key, p.total, Interval(p.low, p.high) if p.low is not None and p.high is not None else None)
        for p in people
        if p.total is not None
    ]
    lie = places(standings)
    sure = [s for s in standings if s.interval]
    drawn, correlation = _draw(sure, seed)
    ranked = []
    for person in standings:
        place, often = lie[person.key], drawn.get(person.key)
        ranked.append(
            Ranked(
                appraisal_id=person.key,
                best=place.best,
                worst=place.worst,
                drawn_best=often and often.best,
                drawn_worst=often and often.worst,
            )
        )
    return ranked, correlation


def _draw(people: Sequence[Standing], seed: int) -> tuple[dict[str, Place], Decimal | None]:
    if len(people) < 2:
        return {}, None
    chance = random.Random(seed)
    totals = [float(p.total) for p in people]
    errors = [float(p.interval.high - p.interval.low) / 2 / Z95 if p.interval else 0.0 for p in people]
    n = len(people)
    given = _ranking(totals)
    seen: list[list[int]] = [[] for _ in people]
    correlations = []
    for _ in range(ROUNDS):
        ranks = _ranking([chance.gauss(total, error) for total, error in zip(totals, errors, strict=True)])
        for each, rank in zip(seen, ranks, strict=True):
            each.append(rank)
        squares = sum((a - b) ** 2 for a, b in zip(given, ranks, strict=True))
        correlations.append(1 - 6 * squares / (n * (n * n - 1)))
    cut = round(ROUNDS * 0.025)
    found = {}
    for person, ranks in zip(people, seen, strict=True):
        ordered = sorted(ranks)
        found[person.key] = Place(ordered[cut], ordered[-1 - cut])
    return found, _two(fmean(correlations))


def _ranking(values: Sequence[float]) -> list[int]:
    """1 for the highest."""
    ranks = [0] * len(values)
    for rank, index in enumerate(sorted(range(len(values)), key=lambda i: -values[i]), 1):
        ranks[index] = rank
    return ranks
