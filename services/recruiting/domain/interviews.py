"""What do the score sheets of an interview say, who may see them, and who is better?

A competency's score is the mean over all sheets handed in, of all rounds. The whole is weighted by the profile. What
nobody scored is missing, not zero: then there is no whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.events import Code
from shared.numbers import Number, Score, rounded

Trainability = Literal["easy", "harder", "very_hard"]
Scores = Mapping[str, Decimal]
_FOUR = Decimal("0.0001")


class Competency(BaseModel):
    """A line of a competency profile. `least` is the threshold: less than that does not do.

    The weight may be left out only where a weighting by experts says it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    competency: Code
    weight: Annotated[Number, Field(ge=0, le=100)] = Decimal(0)
    least: Score = Decimal(0)
    trainability: Trainability


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one member of the panel thinks."""

    interview_id: UUID
    member: str
    scores: Scores
    papers: Scores
    handed_in: bool


class Mark(BaseModel):
    """One competency of one candidate. `score` is null where nobody scored it, `n` counts the sheets."""

    competency: str
    weight: Number
    least: Number
    score: Number | None
    n: int
    below: bool


def marks(profile: Sequence[Competency], sheets: Iterable[Sheet]) -> list[Mark]:
    """Per competency of the profile: the mean of the sheets handed in, against the least."""
    handed_in = [sheet for sheet in sheets if sheet.handed_in]
    found = []
    for line in profile:
        given = [sheet.scores[line.competency] for sheet in handed_in if line.competency in sheet.scores]
        mean = rounded(sum(given, Decimal(0)) / len(given), _FOUR) if given else None
        found.append(
            Mark(
                competency=line.competency, weight=line.weight, least=line.least, score=mean, n=len(given),
                below=mean is not None and mean < line.least,
            )
        )  # fmt: skip
    return found


def weighted(found: Sequence[Mark]) -> Decimal | None:
    """The whole, 0-100, to four places; None unless every competency is scored."""
    if not found or any(mark.score is None for mark in found):
        return None
    total = sum((mark.weight for mark in found), Decimal(0))
    return rounded(sum((mark.weight * (mark.score or 0) for mark in found), Decimal(0)) / total, _FOUR)


@dataclass(frozen=True, slots=True)
class Ranked:
    id: UUID
    score: Decimal | None
    rank: int | None
    tied: bool


def rank(scores: Mapping[UUID, Decimal | None]) -> list[Ranked]:
    """Best first. Equal to two places is a tie and shares a rank (1, 1, 3). Without a score there is none."""
    known = sorted(
        ((rounded(score), id) for id, score in scores.items() if score is not None), key=lambda k: (-k[0], k[1])
    )
    found: list[Ranked] = []
    for score, group in groupby(known, key=lambda k: k[0]):
        same = list(group)
        place = len(found) + 1
        found += [Ranked(id, score, place, len(same) > 1) for _, id in same]
    return found + [Ranked(id, None, None, False) for id in sorted(id for id, s in scores.items() if s is None)]


def visible(sheets: Sequence[Sheet], reader: str) -> list[Sheet]:
    """The sheets that this reader may see: their own; others once handed in, and not before their own is."""
    waiting = any(sheet.member == reader and not sheet.handed_in for sheet in sheets)
    return [sheet for sheet in sheets if sheet.member == reader or (sheet.handed_in and not waiting)]
