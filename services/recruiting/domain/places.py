"""Who gets the places that were approved?"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from shared.errors import IllegalState


@dataclass(frozen=True, slots=True)
class Reserved:
    """Somebody on the reserve list; `for_the_list` if it was step 11 that put them there, not step 10 already."""

    id: UUID
    for_the_list: bool
    score: Decimal | None
    applied_at: datetime
    proposed: bool

    @property
    def order(self) -> tuple[bool, bool, Decimal, datetime, UUID]:
        """Reserved by step 11 before reserved by step 10, then the better score, then who applied first."""
        return not self.for_the_list, self.score is None, -(self.score or Decimal(0)), self.applied_at, self.id


def check_places(headcount: int, listed: int, passing: int) -> None:
    """Raise `IllegalState` if so many cannot go on the hiring list beside those who are on it."""
    if passing and listed + passing > headcount:
        raise IllegalState(
            "{approved} are approved and {listed} are on the hiring list, so {free} more may pass, not {wanted}; put "
            "the others on the reserve list or reject them.",
            approved=headcount, listed=listed, free=headcount - listed, wanted=passing,
        )  # fmt: skip


def to_propose(headcount: int, listed: int, reserve: Iterable[Reserved]) -> list[UUID]:
    """The first of the reserve list, one for each place that is free and nobody is proposed for."""
    reserve = sorted(reserve, key=lambda one: one.order)
    free = headcount - listed - sum(one.proposed for one in reserve)
    return [one.id for one in reserve if not one.proposed][: max(free, 0)]
