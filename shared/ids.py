"""How are identifiers made?

UUID version 7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then 74 bits of chance. Rows made together
lie together in an index, and the day of an identifier can be read off it.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from datetime import date, datetime
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_EPOCH = date(1970, 1, 1).toordinal()
_AT_A_TIME = 256
_LAST = date.max.toordinal() - _EPOCH


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return _uuid7(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10), "big"))


def new_ids() -> Iterator[UUID]:
    """Fresh UUIDv7 for as long as one asks: for thousands, as chance is drawn for many at a time, which costs a system
    call. Not to be kept: processes forked meanwhile would go on with the same ones."""
    while True:
        chance = os.urandom(10 * _AT_A_TIME)
        for start in range(0, len(chance), 10):
            yield _uuid7(time.time_ns() // 1_000_000, int.from_bytes(chance[start : start + 10], "big"))


def first_id_at(at: datetime) -> UUID:
    """The least UUIDv7 of this moment: what was made before sorts below it."""
    return _uuid7(int(at.timestamp() * 1000), 0)


def id_for(at: datetime, *names: str) -> UUID:
    """The same UUIDv7 whenever the same time and names are given.

    For facts read from a file: reading it again yields the same identifiers, so nothing counts twice.
    """
    digest = hashlib.blake2b("\x1f".join(names).encode(), digest_size=10).digest()
    return _uuid7(max(0, int(at.timestamp() * 1000)), int.from_bytes(digest, "big"))


def day_of(id: str | UUID) -> date | None:
    """The UTC day a UUIDv7 was made on; None for an identifier of another kind."""
    text = str(id)
    if text[14] != "7":
        return None
    days = int(text[:8] + text[9:13], 16) // 86_400_000
    return date.fromordinal(_EPOCH + days) if days <= _LAST else None  # a year past 9999


def _uuid7(milliseconds: int, chance: int) -> UUID:
    upper = chance >> 62 & 0xFFF
    lower = chance & (1 << 62) - 1
    return UUID(int=(milliseconds & (1 << 48) - 1) << 80 | _VERSION_7 | upper << 64 | _VARIANT | lower)
