"""What does a transcript with times tell: who spoke how long and how fast, where was silence, which phrases were said?

Pure. Seconds count from the beginning of the recording. Chinese is written without spaces, so a Chinese phrase is found
wherever its characters stand together; a phrase of words is found between words only, also where Chinese stands next to
it. Full width and half width, capitals, curly apostrophes, spaces and commas make no difference; the end of a sentence
does. What is part of a longer expression that means something else (滚 in 滚筒) is told apart by naming that one.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple, Self
from unicodedata import normalize

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.events import Seconds

Speaker = Literal["agent", "customer", "other"]
Language = Literal["zh", "en"]
Said = Annotated[str, StringConstraints(max_length=20_000, pattern=r"^[^\x00]*$")]

# Scripts written without spaces between words: Han with its marks, and Japanese kana.
_UNSPACED = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_LETTER = rf"[^\W_{_UNSPACED}]"
_TOKEN = re.compile(rf"[{_UNSPACED}]|{_LETTER}+(?:'{_LETTER}+)*")
_BETWEEN = r"[^\w.!?。;]"
"""What may stand between two parts of a phrase: spaces and commas, not the end of a sentence."""


class Turn(BaseModel):
    """What one speaker said at a stretch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    speaker: Speaker
    begin_seconds: Seconds
    end_seconds: Seconds
    text: Said

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_seconds < self.begin_seconds:
            raise ValueError("end_seconds lies before begin_seconds")
        return self


Turns = Annotated[tuple[Turn, ...], Field(min_length=1, max_length=20_000)]


class Hit(NamedTuple):
    """A phrase, as it was asked for, and the second at which it was said."""

    phrase: str
    at_seconds: float


class Silence(NamedTuple):
    """`share` of the length in which nobody spoke, and the longest stretch of it, `seconds` from `at_seconds` on."""

    share: float
    seconds: float
    at_seconds: float


class Rate(NamedTuple):
    """Words a minute, for Chinese characters a minute, while speaking; the fastest stretch began at `at_seconds`."""

    a_minute: float
    at_seconds: float


def stretches(turns: Iterable[Turn]) -> list[tuple[float, float]]:
    """When somebody spoke, from and to, in order and without overlaps."""
    merged: list[tuple[float, float]] = []
    for begin, end in sorted((turn.begin_seconds, turn.end_seconds) for turn in turns):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def spoken(turns: Iterable[Turn]) -> float:
    """Seconds in which somebody spoke."""
    return sum(end - begin for begin, end in stretches(turns))


def silence(turns: Sequence[Turn], length: float, held: float) -> Silence | None:
    """Of a recording of this length, in which the customer was on hold for `held` seconds: these are no silence.

    None where nothing is left beside the hold. A recording is at least as long as its transcript.
    """
    spans = stretches(turns)
    length = max(length, spans[-1][1])
    if length <= held:
        return None
    gaps = [(begin - end, end) for (_, end), (begin, _) in pairwise([(0.0, 0.0), *spans, (length, length)])]
    quiet = max(0.0, sum(seconds for seconds, _ in gaps) - held)
    longest, at = max(gaps, key=lambda gap: (gap[0], -gap[1]))
    return Silence(quiet / (length - held), longest, at)


def talk_share(turns: Sequence[Turn]) -> float | None:
    """The agent's part of all that was spoken; None where nobody spoke for any time."""
    mine = spoken(turn for turn in turns if turn.speaker == "agent")
    others = sum(spoken(turn for turn in turns if turn.speaker == who) for who in ("customer", "other"))
    return mine / (mine + others) if mine + others else None


def speech_rate(turns: Iterable[Turn], language: Language) -> Rate | None:
    """How fast the agent spoke this language, over the turns that are mostly in it.

    Of Chinese each character counts, and each word of another script; of English each word. None where there are none,
    or no time is told.
    """
    units, seconds, fastest = 0, 0.0, (0.0, 0.0)
    for turn in turns:
        tokens = _TOKEN.findall(_folded(turn.text))
        chinese = sum(len(token) == 1 and bool(re.match(f"[{_UNSPACED}]", token)) for token in tokens)
        length = turn.end_seconds - turn.begin_seconds
        if turn.speaker != "agent" or not tokens or (chinese * 2 >= len(tokens)) != (language == "zh") or not length:
            continue
        units += len(tokens)
        seconds += length
        if length >= 5:  # shorter ones are too short to tell
            fastest = max(fastest, (len(tokens) / length, -turn.begin_seconds))
    return Rate(units * 60 / seconds, -fastest[1]) if seconds else None


def find(
    turns: Sequence[Turn], phrases: Iterable[str], unless: Iterable[str] = (), *, speaker: Speaker | None = None
) -> list[Hit]:
    """Where these phrases were said, by anybody or by one speaker, in order; not as part of what `unless` names.

    What a speaker says in several turns without another between them is one text, so a phrase may go from one to the
    next. Within a turn the second is reckoned by how far into the text the phrase stands.
    """
    spared = [_pattern(phrase) for phrase in unless]
    asked = [(phrase, _pattern(phrase)) for phrase in phrases]
    hits: set[Hit] = set()
    for passage in _passages(turns):
        if speaker is not None and passage[0].speaker != speaker:
            continue
        texts = [_folded(turn.text) for turn in passage]
        whole = " ".join(texts)
        starts = [0]
        for said in texts:
            starts.append(starts[-1] + len(said) + 1)
        kept_out = [match.span() for pattern in spared for match in pattern.finditer(whole)]
        for phrase, pattern in asked:
            for match in pattern.finditer(whole):
                if any(begin <= match.start() and match.end() <= end for begin, end in kept_out):
                    continue
                n = bisect_right(starts, match.start()) - 1
                turn, into = passage[n], (match.start() - starts[n]) / max(1, len(texts[n]))
                at = turn.begin_seconds + into * (turn.end_seconds - turn.begin_seconds)
                hits.add(Hit(phrase, round(at, 1)))
    return sorted(hits, key=lambda hit: (hit.at_seconds, hit.phrase))


def sayable(phrase: str) -> bool:
    """Whether there is anything in it that can be said."""
    return _TOKEN.search(_folded(phrase)) is not None


def _passages(turns: Sequence[Turn]) -> list[list[Turn]]:
    """Turns in order, those of one speaker together."""
    passages: list[list[Turn]] = []
    for turn in sorted(turns, key=lambda turn: (turn.begin_seconds, turn.end_seconds)):
        if passages and passages[-1][0].speaker == turn.speaker:
            passages[-1].append(turn)
        else:
            passages.append([turn])
    return passages


def _folded(said: str) -> str:
    return normalize("NFKC", said).casefold().replace("\u2019", "'").replace("\u02bc", "'")


@lru_cache(maxsize=4096)
def _pattern(phrase: str) -> re.Pattern[str]:
    tokens = _TOKEN.findall(_folded(phrase))
    spaced = [re.match(_LETTER, token) is not None for token in tokens]
    parts = [re.escape(tokens[0])]
    for (before, after), token in zip(pairwise(spaced), tokens[1:], strict=True):
        parts.append(f"{_BETWEEN}{'+' if before and after else '*'}{re.escape(token)}")
    begin = rf"(?<!{_LETTER})" if spaced[0] else ""
    end = rf"(?!{_LETTER}|'t\b)" if spaced[-1] else ""  # "I can" is not in "I can't"
    return re.compile(begin + "".join(parts) + end)
