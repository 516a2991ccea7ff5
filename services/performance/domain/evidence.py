"""What lies behind a measured entry, and what did each of it move?

`moved` is by how many points the entry's own score would differ without this day, call, audit or examination.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from services.performance.domain.indicators import Indicator, limit_of
from shared.numbers import Number


@dataclass(slots=True)
class Evidence:
    """A day of facts, or a single fact; of a day `fact` is its date."""

    fact: str
    value: Number | None
    """What the indicator comes to for this alone."""
    n: int
    moved: Number | None
    """Points of the entry; null where without it nothing would be left."""
    changed_since: datetime | None
    """When it was told or changed, if that was after the entry was measured: then the entry does not rest on what is
    shown here. What was known before is not kept."""


class Piece(NamedTuple):
    """A day or a fact, its sums, and when it was changed or told last, where that is known."""

    fact: str
    sums: Mapping[str, int | Decimal]
    changed_at: datetime | None = None


def behind(
    indicator: Indicator, pieces: Sequence[Piece], at: datetime, whole: Mapping[str, int | Decimal] | None = None
) -> list[Evidence]:
    """Each piece that counts for the indicator, as it is known now, behind an entry that was measured at this time.

    `whole` holds the sums of all pieces, if these are not all.
    """
    m, b = indicator.measure, indicator.base
    counted = [(piece.fact, piece.sums[m], piece.sums[b], piece.changed_at) for piece in pieces if piece.sums[b]]
    measure = whole[m] if whole else sum(own for _, own, *_ in counted)
    base = whole[b] if whole else sum(n for _, _, n, _ in counted)
    value, points = indicator.value, indicator.points
    full = points(value(measure, base)) if base else None
    found = []
    for fact, own, n, changed in counted:
        left = base - n
        moved = full - points(value(measure - own, left)) if full is not None and left > 0 else None
        since = changed if changed and changed > at else None
        found.append(Evidence(fact, value(own, n), int(n), moved, since))
    return found


def sums_of_fact(indicator: Indicator, fact: Mapping[str, object]) -> dict[str, int | Decimal]:
    """What one fact adds to the sums of its source."""
    match indicator.source:
        case "calls":
            return _of_call(fact) | _within(indicator, fact)
        case "cases":
            known = fact["first_contact"] is not None
            return {
                "cases": 1, "resolved": int(bool(fact["resolved"])), "contacts_known": int(known),
                "resolved_at_first_contact": int(bool(fact["resolved"] and fact["first_contact"])),
            }  # fmt: skip
        case "ratings":
            return {"ratings": 1, "rating_sum": _number(fact["rating"])}
        case "audits":
            classes = fact["error_classes"]
            assert isinstance(classes, list)
            names = ("customer_critical", "business_critical", "compliance_critical", "other")
            free = {f"free_of_{name}": int(name not in classes) for name in names}
            return {"audits": 1, "score_sum": _number(fact["score"]), **free}
    scored, met = fact["score"] is not None, fact["present"] is not None
    return {
        "examinations": int(not met), "passed": int(bool(fact["passed"])), "scored": int(scored),
        "score_sum": _number(fact["score"]) if scored else 0, "meetings": int(met),
        "attended": int(bool(fact["present"])), "minutes": _number(fact["minutes"]) if met else 0,
    }  # fmt: skip


def _of_call(fact: Mapping[str, object]) -> dict[str, int | Decimal]:
    answered = bool(fact["answered"])
    found: dict[str, int | Decimal] = {"calls": 1, "answered": int(answered)}
    for count, name in (("waits", "wait_ms"), ("talks", "talk_ms"), ("holds", "hold_ms"), ("wrap_ups", "wrap_up_ms")):
        known = answered and fact[name] is not None
        found |= {count: int(known), name: _number(fact[name]) if known else 0}
    handled = found["talk_ms"] + found["hold_ms"] + found["wrap_up_ms"]
    found["handling_ms"] = handled if found["talks"] else 0
    return found


def _within(indicator: Indicator, fact: Mapping[str, object]) -> dict[str, int | Decimal]:
    limit, known = limit_of(indicator.measure), fact["answered"] and fact["wait_ms"] is not None
    return {} if limit is None else {indicator.measure: int(bool(known) and _number(fact["wait_ms"]) <= limit * 1000)}


def _number(value: object) -> int | Decimal:
    assert isinstance(value, int | Decimal)
    return value
