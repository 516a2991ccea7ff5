"""What does a machine find on a call before a person judges it?

Each check measures one thing and says whether it was as promised, with the evidence, as a suggestion for a criterion.
The verdict stays with the auditor: no suggestion changes an answer or a score. What cannot be measured is said to be
missing, never met. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.qa.domain import transcripts
from services.qa.domain.scorecards import Key, Scorecard, Words
from services.qa.domain.transcripts import Speaker, Turn
from shared.events import Code, Seconds
from shared.numbers import Number, rounded

Limit = Annotated[Number, Field(ge=0, le=1_000_000, max_digits=12)]
Unit = Literal["seconds", "share", "a_minute", "times"]
Missing = Literal["wait_seconds", "hold_seconds", "call_back", "transcript", "speech"]
MOST_EVIDENCE = 20


def _sayable(phrase: str) -> str:
    if not transcripts.sayable(phrase):
        raise ValueError("a phrase has letters, digits or characters")
    return phrase


Phrase = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), AfterValidator(_sayable)
]
Phrases = Annotated[tuple[Phrase, ...], Field(max_length=500)]


class _Check(BaseModel):
    """`criteria`: code of a scorecard → the criterion that this check tells something of.

    Where `queues` or `plans` are given it holds for calls of these queues, or audits drawn by these plans, only. Of
    several checks with one key the one that names the plan holds, else the one that names the queue, else the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    name_en: Words
    name_zh: Words
    criteria: Annotated[dict[Key, Key], Field(max_length=100)] = {}
    queues: Annotated[tuple[Code, ...], Field(max_length=200)] = ()
    plans: Annotated[tuple[UUID, ...], Field(max_length=200)] = ()


class Promise(_Check):
    """A time that was promised, and is kept within `at_most` seconds.

    `answered`: from the call's coming in to its answer. `hold`: on hold altogether. `call_back`: from a call that
    nobody answered to this one, which calls the customer back; of a call of one of `topics`, which promise it, from
    its end to the next call to that customer. `case_closed`: from opening to closing the case of this call, of one
    of the categories `topics` where they are given.
    """

    kind: Literal["answered", "hold", "call_back", "case_closed"]
    at_most: Limit
    topics: Annotated[tuple[Code, ...], Field(max_length=200)] = ()


class Speech(_Check):
    """Something measured on a transcript: a share from 0 to 1, or words (Chinese: characters) a minute."""

    kind: Literal["silence", "talk_share", "speech_rate_zh", "speech_rate_en"]
    at_least: Limit | None = None
    at_most: Limit | None = None

    @model_validator(mode="after")
    def _limited(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("give at_least, at_most or both")
        return self


class Wording(_Check):
    """Phrases of which none may be said (`forbidden`), or one must (`required`), in any of their languages.

    `unless`: longer expressions in which a phrase means something else. `speaker`: null for anybody. Said within the
    first or the last so many seconds of the recording, where that is given.
    """

    kind: Literal["forbidden", "required"]
    phrases: Annotated[Phrases, Field(min_length=1)]
    unless: Phrases = ()
    speaker: Speaker | None = "agent"
    first_seconds: Seconds | None = None
    last_seconds: Seconds | None = None


Check = Annotated[Promise | Speech | Wording, Field(discriminator="kind")]


class CheckRules(BaseModel):
    """What is checked, and for how many days a transcript is kept (null: until somebody deletes it)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: Annotated[tuple[Check, ...], Field(max_length=200)]
    transcript_days: Annotated[int, Field(ge=1, le=3650)] | None = 180


class Evidence(BaseModel):
    """Where to look: a second of the recording with what was said there, another call, or a case."""

    at_seconds: float | None = None
    phrase: str | None = None
    call_id: str | None = None
    case_id: str | None = None


class Suggestion(BaseModel):
    """What one check found. `met` is null where something is `missing`; `criterion` where it tells of none here."""

    check: str
    kind: str
    name_en: str
    name_zh: str
    criterion: str | None
    met: bool | None
    measured: Number | None
    unit: Unit
    at_least: Number | None
    at_most: Number | None
    evidence: list[Evidence]
    missing: Missing | None


class CallBack(NamedTuple):
    """A call that owed a call-back from `since` on, and when the customer was called, None as long as not."""

    call_id: str
    since: datetime
    until: datetime | None


class Case(NamedTuple):
    """A case that this call led to."""

    case_id: str
    category: str | None
    opened_at: datetime
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class Material:
    """What is known of an interaction; None is unknown. `call_backs`: by key of the check that asks for it."""

    inbound: bool
    wait_seconds: Decimal | None
    hold_seconds: Decimal | None
    length_seconds: float
    turns: Sequence[Turn] | None
    call_backs: dict[str, CallBack]
    cases: Sequence[Case]


def applying(rules: CheckRules, queue: str | None, plan_id: UUID | None) -> list[Check]:
    """The checks that hold for a call of this queue that was drawn by this plan, one for each key."""
    chosen: dict[str, Check] = {}
    for check in rules.checks:
        if (check.queues and queue not in check.queues) or (check.plans and plan_id not in check.plans):
            continue
        other = chosen.get(check.key)
        if other is None or _special(check) > _special(other):
            chosen[check.key] = check
    return list(chosen.values())


def _special(check: Check) -> tuple[bool, bool]:
    return bool(check.plans), bool(check.queues)


def suggestions(checks: Iterable[Check], card: Scorecard, known: Material, now: datetime) -> list[Suggestion]:
    """What these checks find, in their order; nothing from those that have nothing to look at, such as no case."""
    keys = {criterion.key for criterion in card.criteria}
    found = []
    for check in checks:
        finding = _finding(check, known, now)
        if finding is not None:
            criterion = check.criteria.get(card.code)
            found.append(_suggestion(check, finding, criterion if criterion in keys else None))
    return found


@dataclass(frozen=True, slots=True)
class _Finding:
    unit: Unit
    measured: Decimal | None = None
    missing: Missing | None = None
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    evidence: Sequence[Evidence] = ()


def _suggestion(check: Check, finding: _Finding, criterion: str | None) -> Suggestion:
    measured, least, most = finding.measured, finding.at_least, finding.at_most
    met = None
    if measured is not None and finding.missing is None:
        met = (least is None or measured >= least) and (most is None or measured <= most)
    return Suggestion(
        check=check.key, kind=check.kind, name_en=check.name_en, name_zh=check.name_zh,
        criterion=criterion, met=met, measured=measured, unit=finding.unit, at_least=least, at_most=most,
        evidence=list(finding.evidence[:MOST_EVIDENCE]), missing=finding.missing,
    )  # fmt: skip


def _finding(check: Check, known: Material, now: datetime) -> _Finding | None:
    match check:
        case Promise(kind="answered"):
            return _time(check, known.wait_seconds, "wait_seconds") if known.inbound else None
        case Promise(kind="hold"):
            return _time(check, known.hold_seconds, "hold_seconds")
        case Promise(kind="call_back"):
            return _called_back(check, known.call_backs.get(check.key), now)
        case Promise(kind="case_closed"):
            return _closed(check, [c for c in known.cases if not check.topics or c.category in check.topics])
        case Speech():
            return _spoken(check, known)
        case Wording():
            return _worded(check, known)
    raise TypeError(check)


def _time(check: Promise, seconds: Decimal | None, name: Missing) -> _Finding:
    return _Finding("seconds", seconds, name if seconds is None else None, at_most=check.at_most)


def _called_back(check: Promise, owed: CallBack | None, now: datetime) -> _Finding | None:
    """Not called back yet: so far, which is missing only as long as there is time left."""
    if owed is None:
        return None
    seconds = _hundredths(((owed.until or now) - owed.since).total_seconds())
    open_still = owed.until is None and seconds <= check.at_most
    evidence = [Evidence(call_id=owed.call_id)]
    return _Finding("seconds", seconds, "call_back" if open_still else None, at_most=check.at_most, evidence=evidence)


def _closed(check: Promise, cases: Sequence[Case]) -> _Finding | None:
    """The slowest of them."""
    if not cases:
        return None
    slowest = sorted(cases, key=lambda case: case.opened_at - case.closed_at)
    seconds = _hundredths((slowest[0].closed_at - slowest[0].opened_at).total_seconds())
    return _Finding(
        "seconds", seconds, at_most=check.at_most, evidence=[Evidence(case_id=case.case_id) for case in slowest]
    )


def _spoken(check: Speech, known: Material) -> _Finding | None:
    unit: Unit = "a_minute" if check.kind.startswith("speech_rate") else "share"
    if known.turns is None:
        return _Finding(unit, missing="transcript", at_least=check.at_least, at_most=check.at_most)
    value, at = _measured(check.kind, known, known.turns)
    if value is None and unit == "a_minute":
        return None  # nothing was said in this language
    return _Finding(
        unit, None if value is None else _hundredths(value), "speech" if value is None else None, check.at_least,
        check.at_most, [] if at is None else [Evidence(at_seconds=round(at, 1))],
    )  # fmt: skip


def _measured(kind: str, known: Material, turns: Sequence[Turn]) -> tuple[float | None, float | None]:
    """The value, and where in the recording it shows most."""
    if kind == "silence":
        quiet = transcripts.silence(turns, known.length_seconds, float(known.hold_seconds or 0))
        return (quiet.share, quiet.at_seconds) if quiet else (None, None)
    if kind == "talk_share":
        return transcripts.talk_share(turns), None
    rate = transcripts.speech_rate(turns, "zh" if kind == "speech_rate_zh" else "en")
    return (rate.a_minute, rate.at_seconds) if rate else (None, None)


def _worded(check: Wording, known: Material) -> _Finding:
    least, most = (Decimal(1), None) if check.kind == "required" else (None, Decimal(0))
    if known.turns is None:
        return _Finding("times", missing="transcript", at_least=least, at_most=most)
    length = max(known.length_seconds, max(turn.end_seconds for turn in known.turns))
    first = length if check.first_seconds is None else check.first_seconds
    last = 0.0 if check.last_seconds is None else length - check.last_seconds
    hits = [
        hit
        for hit in transcripts.find(known.turns, check.phrases, check.unless, speaker=check.speaker)
        if last <= hit.at_seconds <= first
    ]
    evidence = [Evidence(at_seconds=hit.at_seconds, phrase=hit.phrase) for hit in hits]
    return _Finding("times", Decimal(len(hits)), None, least, most, evidence)


def _hundredths(value: float) -> Decimal:
    return rounded(Decimal(value))
