"""How is a speed measured so that it can be compared?

Each is a ratio to a raw limit of the same machine in the same minute: what is compared runs in turns (A B, B A, A B,
…), so that a slow phase of a disk or a neighbour meets all alike, after one turn that does not count. A ratio is taken
in every turn, and the median of the turns is the result, with the smallest and the largest beside it.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, TypeVar

T = TypeVar("T")
REPETITIONS = 5


class NotMeasured(Exception):
    """Why there is no number, in one line."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done in one sample."""

    quick: bool = False

    def of(self, number: int) -> int:
        """This number in a full run, a quarter in a quick one."""
        return number // 4 if self.quick else number


@dataclass(slots=True)
class Line:
    """One measured line of the table."""

    what: str
    limit: str
    """The raw limit it is compared with."""
    unit: str
    product: list[float]
    raw: list[float]
    """The samples of both, in the order of the turns."""
    at_least: float | None = None
    at_most: float | None = None
    least: float | None = None
    """The target where it is no ratio: at least so many, whatever the limit."""
    facts: dict[str, Any] = field(default_factory=dict)
    """How it came about: sizes, settings, what was counted."""

    @property
    def ratios(self) -> list[float]:
        return [ours / limit for ours, limit in zip(self.product, self.raw, strict=True)]

    @property
    def ours(self) -> float:
        return median(self.product)

    @property
    def theirs(self) -> float:
        return median(self.raw)

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def met(self) -> bool:
        return (
            (self.at_least is None or self.ratio >= self.at_least)
            and (self.at_most is None or self.ratio <= self.at_most)
            and (self.least is None or self.ours >= self.least)
        )

    @property
    def target(self) -> str:
        if self.least is not None:
            return f"≥ {self.least:,.0f} {self.unit}"
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratios": self.ratios, "ratio": self.ratio, "met": self.met}


async def in_turns(
    sides: Mapping[str, Callable[[], Awaitable[T]]], repetitions: int = REPETITIONS
) -> dict[str, list[T]]:
    """The samples of each side, after one turn that does not count; the order is reversed every second turn."""
    samples: dict[str, list[T]] = {name: [] for name in sides}
    for turn in range(repetitions + 1):
        for name in list(sides)[:: -1 if turn % 2 else 1]:
            sample = await sides[name]()
            if turn:
                samples[name].append(sample)
    return samples


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all values does not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
