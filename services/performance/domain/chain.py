"""Has the ledger been tampered with?

The lines of an appraisal are numbered, and each carries the SHA-256 of the hash before it and of its own content as
canonical JSON: keys sorted, no blanks, numbers in plain decimal notation without trailing zeros, times in UTC. The
appraisal holds the number of its lines and the hash of the last one, and a finalised appraisal is published with that
hash: so a line changed, removed, added or moved shows, also at the end.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, getcontext
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import to_json

GENESIS = bytes(32)
"""What comes before the first line."""

HASHED = (
    "id", "appraisal_id", "seq", "dimension", "indicator", "kind", "basis", "audit_id", "revision", "event_id", "value",
    "points", "n", "weight", "low", "high", "actor", "indicator_version", "reverses", "refers_to", "at",
)  # fmt: skip
"""All that a line says; which line took it back is said by that line."""


class Head(NamedTuple):
    """How many lines there are, and the hash of the last."""

    length: int
    hash: bytes


class Fault(NamedTuple):
    """What is wrong, and with which line (1 is the first); 0 stands for the appraisal itself."""

    appraisal_id: UUID
    seq: int
    reason: str


_SORTED = sorted(HASHED)
_PRECISION = getcontext().prec


def _digits(value: Decimal) -> str:
    """What `format(value.normalize(), "f")` says, without the two steps where the number is told plainly already."""
    told = str(value)
    if not value:
        return "0"
    if "E" in told or len(told) > _PRECISION:
        return format(value.normalize(), "f")
    return told.rstrip("0").rstrip(".") if "." in told else told


@lru_cache(maxsize=1000)
def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def canonical(content: Mapping[str, Any]) -> bytes:
    """One text for one content."""
    told: dict[str, Any] = {}
    for name in _SORTED:
        value = content[name]
        kind = type(value)
        told[name] = _digits(value) if kind is Decimal else _moment(value) if kind is datetime else value
    return to_json(told)


def link(previous: bytes, content: Mapping[str, Any]) -> bytes:
    return sha256(previous + canonical(content)).digest()


def verify(appraisal_id: UUID, head: Head, lines: Iterable[Mapping[str, Any]]) -> list[Fault]:
    """What is wrong with these lines, which come by number, with `hash` and `reversed_by`."""
    faults: list[Fault] = []
    previous, length = GENESIS, 0
    rows: Sequence[Mapping[str, Any]] = list(lines)
    reversals = {row["reverses"]: row["id"] for row in rows if row["reverses"]}
    for length, row in enumerate(rows, 1):
        if row["seq"] != length:
            faults.append(Fault(appraisal_id, length, f"number {row['seq']} stands where {length} should"))
        if link(previous, row) != row["hash"]:
            faults.append(Fault(appraisal_id, length, "the content does not fit the hash"))
        if row["reversed_by"] != reversals.get(row["id"]):
            faults.append(Fault(appraisal_id, length, "what reversed it does not fit the reversals"))
        previous = row["hash"]
    if (length, previous) != head:
        faults.append(
            Fault(appraisal_id, 0, f"{length} lines are there, the head tells of {head.length} or another end")
        )
    return faults
