"""What do experts, who compare two things at a time, think each of many is worth?

The analytic hierarchy process (T. L. Saaty, "A scaling method for priorities in hierarchical structures", Journal of
Mathematical Psychology 15 (1977), 234-281; "The Analytic Hierarchy Process", 1980). Priorities are the principal right
eigenvector of the matrix of comparisons, by power iteration. Consistency index CI = (λmax - n) / (n - 1), ratio CR = CI
/ RI with the random index of Saaty 1980 (`RANDOM_INDEX`); at 0.10 and above judgements are refused.

Comparisons that are missing are completed by P. T. Harker, "Incomplete pairwise comparisons in the analytic hierarchy
process", Mathematical Modelling 9 (1987), 837-848: 0 in their place and 1 + the number missing in the row on the
diagonal. With m of them missing the random index is smaller: (1 - 2m / ((n - 1)(n - 2))) · RI (K. G. Ágoston, L. Csató,
"Inconsistency thresholds for incomplete pairwise comparison matrices", Omega 108 (2022), 102576).

Experts are combined by the element-wise geometric mean (J. Aczél, T. L. Saaty, "Procedures for synthesizing ratio
judgements", Journal of Mathematical Psychology 27 (1983), 93-102), of those who gave a comparison.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import exp, log
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import FieldError, Invalid
from shared.events import Code
from shared.numbers import Number, rounded

RANDOM_INDEX = (
    0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45, 1.49, 1.51, 1.48, 1.56, 1.57, 1.59,
)  # fmt: skip
"""For 1 to 15 things (Saaty 1980)."""
TABLE = "Saaty 1980"
MOST = len(RANDOM_INDEX)
LIMIT = 0.10
HUNDREDTH = Decimal("0.01")


class Node(BaseModel):
    """A thing to be weighed, on the first level with those below it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    en: Code
    zh: Code
    children: Annotated[tuple["Node", ...], Field(max_length=MOST)] = ()


Hierarchy = Annotated[tuple[Node, ...], Field(min_length=2, max_length=MOST)]


class Comparison(BaseModel):
    """`a` is `ratio` times as important as `b`: Saaty's scale goes from 1 (equal) to 9 (extremely), or its inverse."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    a: Code
    b: Code
    ratio: Annotated[float, Field(ge=1 / 9 - 1e-9, le=9)]


class Judgements(BaseModel):
    """What one expert thinks. Not every comparison has to be made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expert: Code
    comparisons: tuple[Comparison, ...]


class Doubt(BaseModel):
    """A judgement, and what the priorities would make of it."""

    expert: str | None
    """Null for what the experts come to together."""
    a: str
    b: str
    ratio: Number
    implied: Number


class Consistency(BaseModel):
    """How consistent one matrix is."""

    of: str
    """The thing whose parts are compared; empty for the first level."""
    expert: str | None
    n: int
    missing: int
    lambda_max: Number
    index: Number
    ratio: Number
    random_index: Number
    table: str = TABLE


class Weighting(BaseModel):
    """What the experts come to: percent of the whole, to two places, adding up to 100 on each level."""

    first: dict[str, Number]
    second: dict[str, Number]
    """Of each thing on the second level, in the whole."""
    local: dict[str, dict[str, Number]]
    """Of each thing on the second level, within the one above it."""
    consistency: list[Consistency]


Matrix = list[list[float | None]]


class Priorities(NamedTuple):
    """Adding up to 1; the principal eigenvalue; and how many comparisons were missing."""

    weights: list[float]
    lambda_max: float
    missing: int

    @property
    def consistency_index(self) -> float:
        n = len(self.weights)
        return max(0.0, (self.lambda_max - n) / (n - 1)) if n > 1 else 0.0

    @property
    def random_index(self) -> float:
        n = len(self.weights)
        if n < 3:
            return 0.0
        return max(0.0, 1 - 2 * self.missing / ((n - 1) * (n - 2))) * RANDOM_INDEX[n - 1]

    @property
    def ratio(self) -> float:
        """Without a random index there is nothing that could contradict itself."""
        return self.consistency_index / self.random_index if self.random_index > 1e-9 else 0.0


def priorities(matrix: Matrix) -> Priorities:
    """Of a reciprocal matrix; None where a comparison is missing, which must leave all connected."""
    n = len(matrix)
    missing = [sum(value is None for value in row) for row in matrix]
    filled = [
        [1.0 + missing[i] if i == j else (value or 0.0) for j, value in enumerate(row)] for i, row in enumerate(matrix)
    ]
    # Plus the identity: the same eigenvectors, and no oscillation. k squarings are 2^k steps of the power iteration.
    power = [[value + (i == j) for j, value in enumerate(row)] for i, row in enumerate(filled)]
    weights = [1 / n] * n
    for _ in range(60):
        columns = list(zip(*power, strict=True))
        power = [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in power]
        largest = max(map(max, power))
        power = [[value / largest for value in row] for row in power]
        together = sum(map(sum, power))
        new = [sum(row) / together for row in power]
        moved = max(abs(a - b) for a, b in zip(new, weights, strict=True))
        weights = new
        if moved < 1e-15:
            break
    image = [sum(a * v for a, v in zip(row, weights, strict=True)) for row in filled]
    lambda_max = sum(a / b for a, b in zip(image, weights, strict=True)) / n
    return Priorities(weights, lambda_max, sum(missing) // 2)


def matrix_of(codes: Sequence[str], given: Mapping[tuple[str, str], float]) -> Matrix:
    """Reciprocal, with None where nothing was given."""
    return [
        [
            1.0 if a == b else given[a, b] if (a, b) in given else 1 / given[b, a] if (b, a) in given else None
            for b in codes
        ]
        for a in codes
    ]


def unconnected(codes: Sequence[str], matrix: Matrix) -> list[str]:
    """Things that no chain of comparisons links to the first."""
    reached, edge = {0}, [0]
    while edge:
        i = edge.pop()
        for j, value in enumerate(matrix[i]):
            if value is not None and j not in reached:
                reached.add(j)
                edge.append(j)
    return [code for n, code in enumerate(codes) if n not in reached]


def combined(experts: Sequence[Mapping[tuple[str, str], float]]) -> dict[tuple[str, str], float]:
    """The geometric mean of each comparison over the experts who made it."""
    logs: dict[tuple[str, str], list[float]] = {}
    for given in experts:
        for (a, b), ratio in given.items():
            key, value = ((a, b), log(ratio)) if a < b else ((b, a), -log(ratio))
            logs.setdefault(key, []).append(value)
    return {key: exp(sum(values) / len(values)) for key, values in logs.items()}


def doubts(codes: Sequence[str], matrix: Matrix, found: Priorities, expert: str | None, most: int = 3) -> list[Doubt]:
    """The judgements that lie furthest from what the priorities imply."""
    off = []
    for i, row in enumerate(matrix):
        for j in range(i + 1, len(row)):
            ratio = row[j]
            if ratio is not None:
                implied = found.weights[i] / found.weights[j]
                off.append((abs(log(ratio / implied)), codes[i], codes[j], ratio, implied))
    return [
        Doubt(expert=expert, a=a, b=b, ratio=_places(ratio), implied=_places(implied))
        for _, a, b, ratio, implied in sorted(off, reverse=True)[:most]
    ]


def _places(value: float) -> Decimal:
    return rounded(Decimal(value), Decimal("0.0001"))


def check_hierarchy(hierarchy: Sequence[Node]) -> None:
    """Raise `Invalid` unless it has two levels at most and every code once."""
    below = [child for node in hierarchy for child in node.children]
    codes = [node.code for node in (*hierarchy, *below)]
    if len(set(codes)) < len(codes) or any(child.children for child in below):
        raise Invalid("A hierarchy has two levels, and each code is there once.")


def weigh(hierarchy: Sequence[Node], judged: Sequence[Judgements]) -> Weighting:
    """What these experts come to. Raises `Invalid` for judgements that are unknown, contradictory or too few."""
    levels = {"": [node.code for node in hierarchy]} | {
        node.code: [child.code for child in node.children] for node in hierarchy if node.children
    }
    given = {name: _by_level(levels, one) for one in judged for name in [one.expert]}
    if len(given) < len(judged):
        raise Invalid("Each expert hands in judgements once.")
    local: dict[str, dict[str, float]] = {}
    consistency: list[Consistency] = []
    for above, codes in levels.items():
        wanted = {expert: of[above] for expert, of in given.items() if of.get(above)}
        together = matrix_of(codes, combined(list(wanted.values())))
        if missing := unconnected(codes, together):
            raise Invalid(
                "Too few comparisons below {above}: nothing links {codes} to {first}.",
                above=above or "the top", codes=", ".join(missing), first=codes[0],
            )  # fmt: skip
        for expert, own in wanted.items():
            matrix = matrix_of(codes, own)
            if not unconnected(codes, matrix):
                consistency.append(_checked(above, codes, matrix, priorities(matrix), expert))
        found = priorities(together)
        consistency.append(_checked(above, codes, together, found, None))
        local[above] = dict(zip(codes, found.weights, strict=True))
    first = hundredths(local[""])
    whole = {child: weight * local[""][above] for above in local if above for child, weight in local[above].items()}
    alone = {code: weight for code, weight in local[""].items() if code not in local}
    return Weighting(
        first=first,
        second=hundredths(whole | alone),
        local={above: hundredths(weights) for above, weights in local.items() if above},
        consistency=consistency,
    )


def _by_level(levels: Mapping[str, Sequence[str]], one: Judgements) -> dict[str, dict[tuple[str, str], float]]:
    level_of = {code: above for above, codes in levels.items() for code in codes}
    found: dict[str, dict[tuple[str, str], float]] = {}
    for n, comparison in enumerate(one.comparisons):
        a, b = comparison.a, comparison.b
        own = found.setdefault(level_of.get(a, ""), {})
        if a == b or level_of.get(a) is None or level_of.get(a) != level_of.get(b) or (a, b) in own or (b, a) in own:
            raise Invalid(
                "{expert} compares {a} with {b}: both have to lie below the same thing, and be compared once.",
                expert=one.expert, a=a, b=b, errors=[{"field": f"judgements.{one.expert}.{n}", "message": f"{a}, {b}"}],
            )  # fmt: skip
        own[a, b] = comparison.ratio
    return found


def _checked(above: str, codes: Sequence[str], matrix: Matrix, found: Priorities, expert: str | None) -> Consistency:
    if found.ratio >= LIMIT:
        off = doubts(codes, matrix, found, expert)
        wrong: list[FieldError] = [
            {"field": f"{d.expert or 'together'}: {d.a}, {d.b}", "message": f"{d.ratio}; implied {d.implied}"}
            for d in off
        ]
        raise Invalid(
            "The judgements of {expert} below {above} contradict each other: the consistency ratio is {ratio}, and "
            "must be below 0.10. Look at {pairs} first.",
            expert=expert or "all together", above=above or "the top", ratio=_places(found.ratio),
            pairs="; ".join(f"{d.a} / {d.b}" for d in off), errors=wrong,
        )  # fmt: skip
    return Consistency(
        of=above, expert=expert, n=len(codes), missing=found.missing, lambda_max=_places(found.lambda_max),
        index=_places(found.consistency_index), ratio=_places(found.ratio), random_index=_places(found.random_index),
    )  # fmt: skip


def hundredths(weights: Mapping[str, float]) -> dict[str, Number]:
    """In percent, to two places, adding up to 100 exactly: what is left goes to those who lost most by the cut."""
    together = sum(weights.values())
    exact = {code: weight / together * 10_000 for code, weight in weights.items()}
    units = {code: int(value) for code, value in exact.items()}
    order = sorted(units, key=lambda code: -(exact[code] - units[code]))
    for code in order[: 10_000 - sum(units.values())]:
        units[code] += 1
    return {code: value * HUNDREDTH for code, value in units.items()}
