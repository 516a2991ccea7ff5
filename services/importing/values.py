"""What does the text of one cell say? Numbers, durations, yes or no.

A cell that cannot be understood raises `Rejected`; that it says nothing at all is for the caller to see first
(`missing`, `text_or_none`). Nothing is guessed: `1,234` may be a thousand or a fraction, so it is refused.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from shared.errors import CannotStart

WORDINGS: dict[str, Any] = json.loads((Path(__file__).parent / "wordings.json").read_text(encoding="utf-8"))
"""How headers and cells are worded out there, in English and Chinese."""

_MISSING = frozenset(WORDINGS["missing"])
_MISSING_TEXT = frozenset(WORDINGS["missing_text"])

_LONGEST = 40
"""Characters of a number; longer ones are none."""
_MOST_SECONDS = 1_000_000
"""What the contracts take."""

_PLAIN_WIDTH = {0x3000: " ", **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}}
_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_WITH_COMMA = re.compile(r"[+-]?(\d+),(\d+)", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):([0-5]\d)(?:[.,](\d{1,9}))?", re.ASCII)
_IN_WORDS = re.compile(
    r"(?:(\d+)\s*(?:h|hours?|hrs?|小时|时)\s*)?(?:(\d+)\s*(?:m|mins?|minutes?|分钟?)\s*)?"
    r"(?:(\d+(?:[.,]\d+)?)\s*(?:s|secs?|seconds?|秒钟?))?",
    re.ASCII | re.IGNORECASE,
)  # fmt: skip


class Rejected(CannotStart):
    """Why a cell, or the row that it is in, cannot be taken."""

    column: str = ""
    """The header of the cell, where it is one cell."""


class Unit(NamedTuple):
    """What a number in a column of durations counts, in seconds, and what `1:05` there is made of."""

    plain: float = 1
    clock: int = 1
    """60 where the last part is minutes, as in hh:mm."""


UNITS = {
    "seconds": Unit(),
    "minutes": Unit(60),
    "hours": Unit(3600),
    "milliseconds": Unit(0.001),
    "hh:mm": Unit(3600, 60),
}


def shown(text: str) -> str:
    """A cell, short enough for a message."""
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"


def plain_width(text: str) -> str:
    """The text with the full-width digits, letters and signs of Chinese typing made plain."""
    return text if text.isascii() else text.translate(_PLAIN_WIDTH)


# What begins a formula (OWASP, "CSV injection"), the full-width forms that Chinese and Japanese spreadsheets take too.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cleaned(cell: str) -> str:
    """The cell without the marks that spreadsheets put around text: spaces, `="…"`, an apostrophe before a formula."""
    cell = cell.strip()
    if cell[:2] == '="' and cell[-1] == '"' and len(cell) > 2:
        return cell[2:-1].strip()
    if cell[:1] == "'" and cell[1:2] in FORMULA:
        return cell[1:]
    return cell


def text_or_none(text: str) -> str | None:
    """An identifier or a code, as it came; case matters here, for Nan is a name and NaN is none."""
    return None if text in _MISSING_TEXT else text


def missing(text: str) -> bool:
    """Whether the cell of a number, a time or a yes says nothing."""
    return text.lower() in _MISSING


def number(text: str) -> float:
    """A number with a decimal point or comma. Signs of thousands and exponents are refused."""
    text = plain_width(text)
    if len(text) > _LONGEST:
        raise Rejected("unknown number format {text}", text=shown(text))
    if _PLAIN.fullmatch(text):
        return float(text)
    comma = _WITH_COMMA.fullmatch(text)
    if comma and (len(comma[2]) != 3 or comma[1].strip("0") == ""):  # 1,234 may be a thousand; 0,125 may not
        return float(text.replace(",", "."))
    raise Rejected("unknown number format {text}", text=shown(text))


@lru_cache(65_536)
def seconds(text: str, unit: Unit = UNITS["seconds"]) -> float:
    """A duration in seconds: `109`, `12.5`, `12,5`, `1:49`, `0:01:49`, `1 min 49 s`, `1分49秒`."""
    text = plain_width(text)
    value = _seconds(text, unit) if len(text) <= _LONGEST else None
    if value is None:
        raise Rejected("unknown number format {text}", text=shown(text))
    if not 0 <= value <= _MOST_SECONDS:
        raise Rejected("the duration {text} is below zero or longer than eleven days", text=shown(text))
    return round(value, 6) + 0.0  # no negative zero


def _seconds(text: str, unit: Unit) -> float | None:
    if parts := _CLOCK.fullmatch(text):
        hours, minutes, rest, fraction = parts.groups()
        if hours is None:
            return (int(minutes) * 60 + float(f"{rest}.{fraction or 0}")) * unit.clock
        if int(minutes) > 59:
            return None
        return int(hours) * 3600 + int(minutes) * 60 + float(f"{rest}.{fraction or 0}")
    parts = _IN_WORDS.fullmatch(text)
    if parts and any(parts.groups()):
        hours, minutes, rest = parts.groups()
        return int(hours or 0) * 3600 + int(minutes or 0) * 60 + number(rest or "0")
    return number(text) * unit.plain


@lru_cache(4096)
def rating(text: str) -> int:
    """A whole number from 1 to 5."""
    value = number(text)
    if value not in (1, 2, 3, 4, 5):
        raise Rejected("the rating {text} is not one of 1, 2, 3, 4, 5", text=shown(text))
    return int(value)


def folded(text: str) -> str:
    """The text as wordings are compared: width, case, and marks between words do not matter."""
    return re.sub(r"[\s_\-]+", " ", plain_width(text)).strip().casefold()


def meanings(wordings: Mapping[Any, Iterable[str]]) -> dict[str, Any]:
    """Folded word → what it means."""
    return {folded(word): meaning for meaning, words in wordings.items() for word in words}


Direction = Literal["inbound", "outbound", "internal"]
_DIRECTIONS = meanings(WORDINGS["directions"])


def direction(text: str) -> Direction:
    """inbound, outbound or internal."""
    found: Direction | None = _DIRECTIONS.get(folded(text))
    if found is None:
        raise Rejected("{text} is no direction: inbound, outbound, internal", text=shown(text))
    return found


class YesOrNo:
    """Reads yes and no in the known wordings, and in some more that a mapping file names."""

    def __init__(self, yes: Iterable[str] = (), no: Iterable[str] = ()) -> None:
        self._known = meanings({True: [*WORDINGS["yes"], *yes], False: [*WORDINGS["no"], *no]})

    def __call__(self, text: str) -> bool:
        found: bool | None = self._known.get(text.casefold())
        if found is None:
            found = self._known.get(folded(text))
        if found is None:
            raise Rejected("{text} is neither yes nor no", text=shown(text))
        return found
