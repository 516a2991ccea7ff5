"""What is booked when the fate of an audit changes, or an indicator comes to something else?

An audit has revisions: submitted, then perhaps rescored or overturned. The highest known one says whether it counts and
with which score. In the ledger of an appraisal each revision that counts, or once counted, is an entry, and each entry
that a higher revision superseded is reversed. So the entries, and which of them stand, depend only on which revisions
are known, not on the order they came in: a revision that comes late is entered and reversed at once.

An indicator has one entry that stands. Calculated again to the same, nothing is booked; to something else, the entry is
reversed and a new one made.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from services.performance.domain.templates import ADJUSTMENT, AUDIT_INDICATOR, ZERO, Standing
from shared.ids import new_id
from shared.statistics import Z95

Kind = Literal["entry", "reversal"]
Basis = Literal["audit", "indicator", "appeal", "adjustment"]
"""What a line rests on: one audit, the facts of the days, the decision of an appeal, or an adjustment of the total."""

POOL = Decimal(100)
"""Points that can be earned in an audit, where its event does not tell."""


class Booked(NamedTuple):
    """An entry that is in the ledger already."""

    id: UUID
    reversed: bool


class Revision(NamedTuple):
    """What became of an audit, and the entry it led to so far."""

    number: int
    event_id: str
    score: Decimal | None
    """None: the audit counts for nothing."""
    booked: Booked | None = None
    pool: Decimal = POOL
    """Points that could be earned."""
    actor: str = "qa"


class Movement(NamedTuple):
    """A new line of the ledger. A reversal has value and points of the entry that it takes back."""

    id: UUID
    appraisal_id: UUID
    dimension: str
    indicator: str
    kind: Kind
    audit_id: UUID | None
    revision: int | None
    """Of the event behind this line: for a reversal, the one that superseded the entry."""
    event_id: str | None
    value: Decimal
    at: datetime
    reverses: UUID | None = None
    reversed_by: UUID | None = None
    basis: Basis = "audit"
    points: Decimal = Decimal(0)
    """0 to 100; of an adjustment, by how much the total moves."""
    n: int = 1
    """How many facts the value rests on."""
    weight: Decimal = POOL
    """What it counts where points are pooled."""
    low: Decimal | None = None
    high: Decimal | None = None
    """Ends of the 95 % interval of the points; null where it is not known."""
    actor: str = "system"
    indicator_version: int | None = None
    refers_to: UUID | None = None
    """The appeal that decided it, or the closed appraisal that an adjustment corrects."""


def reversal_of(entry: Movement, *, at: datetime, actor: str) -> Movement:
    """A line that takes an entry back."""
    return entry._replace(id=new_id(), kind="reversal", reverses=entry.id, reversed_by=None, at=at, actor=actor)


def movements(
    appraisal_id: UUID,
    audit_id: UUID,
    revisions: Sequence[Revision],
    *,
    dimension: str,
    indicator: str,
    at: datetime,
) -> list[Movement]:
    """What must be added to the ledger of this appraisal so that it agrees with the revisions known of this audit."""

    def line(id: UUID, kind: Kind, cause: Revision, of: Revision, value: Decimal) -> Movement:
        return Movement(
            id, appraisal_id, dimension, indicator, kind, audit_id, cause.number, cause.event_id, value, at,
            points=value, weight=of.pool, actor=cause.actor,
        )  # fmt: skip

    added: list[Movement] = []
    known = sorted(revisions, key=lambda revision: revision.number)
    for this, superseding in zip_longest(known, known[1:]):
        if this.score is None:
            continue
        entry, reversal = this.booked, None
        entry_id = entry.id if entry else new_id()
        if superseding and not (entry and entry.reversed):
            reversal = line(new_id(), "reversal", superseding, this, this.score)._replace(reverses=entry_id)
        if entry is None:
            new = line(entry_id, "entry", this, this, this.score)
            added.append(new._replace(reversed_by=reversal.id) if reversal else new)
        if reversal:
            added.append(reversal)
    return added


_MEASURED = ("dimension", "value", "points", "n", "low", "high", "indicator_version")


def remeasured(standing: Mapping[str, Movement], measured: Iterable[Movement]) -> list[Movement]:
    """What must be added so that the indicators stand as they were measured now; `standing` is by indicator.

    An indicator that is not measured any more is reversed.
    """
    new = {movement.indicator: movement for movement in measured}
    added: list[Movement] = []
    for key in sorted(standing.keys() | new.keys()):
        old, now = standing.get(key), new.get(key)
        if old and now and all(getattr(old, name) == getattr(now, name) for name in _MEASURED):
            continue
        if old:
            by = now or next(iter(new.values()), old)
            added.append(reversal_of(old, at=by.at, actor=by.actor))
        if now:
            added.append(now)
    return added


class Counted(NamedTuple):
    """Of an entry that stands, what the score needs."""

    dimension: str
    indicator: str
    points: Decimal
    weight: Decimal
    low: Decimal | None = None
    high: Decimal | None = None


class Counts(Protocol):
    """What `Counted` says, whatever else it says."""

    @property
    def dimension(self) -> str: ...
    @property
    def indicator(self) -> str: ...
    @property
    def points(self) -> Decimal: ...
    @property
    def weight(self) -> Decimal: ...
    @property
    def low(self) -> Decimal | None: ...
    @property
    def high(self) -> Decimal | None: ...


def weight_of(entry: Counts, *, pooled: bool) -> Decimal:
    """What an entry counts in the mean of its indicator."""
    return entry.weight if pooled and entry.indicator == AUDIT_INDICATOR else Decimal(1)


class Tally(NamedTuple):
    """Entries of one indicator, added up exactly, so that it does not matter where and in which order: how many they
    are, and the sums of w, w·p, w², w²·p and w²·p² over their points p, each with what it counts, w.

    `low` and `high` are those of an only entry.
    """

    dimension: str
    indicator: str
    n: int
    w: Decimal
    wp: Decimal
    ww: Decimal
    wwp: Decimal
    wwpp: Decimal
    low: Decimal | None = None
    high: Decimal | None = None


def tally(entry: Counts, *, pooled: bool) -> Tally:
    """One entry."""
    p, w = entry.points, weight_of(entry, pooled=pooled)
    ww = w * w
    return Tally(entry.dimension, entry.indicator, 1, w, w * p, ww, ww * p, ww * p * p, entry.low, entry.high)


def tallied(entries: Iterable[Counts], *, pooled: bool) -> list[Tally]:
    """These entries, indicator by indicator."""
    groups: dict[tuple[str, str], list[Counts]] = {}
    for entry in entries:
        groups.setdefault((entry.dimension, entry.indicator), []).append(entry)
    found = []
    for (dimension, indicator), group in groups.items():
        n = len(group)
        if n == 1:
            found.append(tally(group[0], pooled=pooled))
        elif pooled and indicator == AUDIT_INDICATOR:
            weighed = [(e.weight, e.weight * e.points) for e in group]
            terms = [(w, wp, w * w, w * wp, wp * wp) for w, wp in weighed]
            found.append(Tally(dimension, indicator, n, *(sum(own, ZERO) for own in zip(*terms, strict=True))))
        else:
            points = [entry.points for entry in group]
            many, total = Decimal(n), sum(points, ZERO)
            squares = sum((p * p for p in points), ZERO)
            found.append(Tally(dimension, indicator, n, many, total, many, total, squares))
    return found


def standings(tallies: Iterable[Tally]) -> tuple[dict[str, dict[str, Standing]], Decimal]:
    """What these come to, by dimension and indicator, and the sum of the adjustments of the total."""
    groups: dict[tuple[str, str], Tally] = {}
    for one in tallies:
        key = one[:2]
        groups[key] = _together(groups[key], one) if key in groups else one
    adjusted = ZERO
    found: dict[str, dict[str, Standing]] = {}
    for (dimension, indicator), group in groups.items():
        if dimension == ADJUSTMENT:
            adjusted += group.wp
        else:
            standing = Standing(group.wp, group.w, group.n, _variance(group))
            found.setdefault(dimension, {})[indicator] = standing
    return found, adjusted


def _together(one: Tally, other: Tally) -> Tally:
    sums = (a + b for a, b in zip(one[3:8], other[3:8], strict=True))
    return Tally(one.dimension, one.indicator, one.n + other.n, *sums)


def _variance(group: Tally) -> float | None:
    """Of the (weighted) mean of these points: of what was measured by its interval, of audits by how they vary."""
    n, w = group.n, group.w
    if n == 1:
        if group.low is None or group.high is None:
            return None
        return (float(group.high - group.low) / 2 / Z95) ** 2
    mean = group.wp / w
    squares = group.wwpp - mean * (2 * group.wwp - mean * group.ww)
    return float(max(squares, ZERO)) * n / (n - 1) / float(w) ** 2
