"""Calibrations over HTTP: sessions, what each showed, and how strict each auditor is."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from secrets import randbits
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field

from services.qa.domain.agreement import Coefficient, Level, Mean, Undefined
from services.qa.domain.audits import may_audit, person
from services.qa.domain.calibrations import (
    Agreement,
    AuditorSeen,
    CriterionSeen,
    Interaction,
    Report,
    Session,
    Why,
    auditors_seen,
    report,
)
from services.qa.domain.scorecards import Key
from services.qa.repository import audits, calibrations, people, scorecards
from services.qa.repository.audits import Unit
from services.qa.routes.audits import NewAudit, asked_for
from services.qa.routes.router import router
from shared.db import RowMapping
from shared.errors import FieldError, Forbidden, IllegalState, Invalid
from shared.events import ExternalId
from shared.http import CurrentTx
from shared.i18n import preferred, say
from shared.identity import Anyone, Principal
from shared.ids import new_id
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page

Share = Annotated[Number, Field(description="From 0 to 1.")]


class NewCalibration(NewAudit):
    """Who judges which recording by which scorecard. `seed` decides the bootstrap; made up where it is not given."""

    auditors: Annotated[list[ExternalId], Field(min_length=2, max_length=50)]
    expert: ExternalId | None = None
    seed: Annotated[int | None, Field(ge=0, lt=2**31)] = None


class Calibration(BaseModel):
    """A session. It is `open` until all have handed in; `handed_in` and `awaited` name auditors and the expert."""

    id: UUID
    recording_id: UUID
    scorecard_id: UUID
    auditors: list[str]
    expert: str | None
    seed: int
    created_at: datetime
    created_by: str
    status: Literal["open", "finished"]
    handed_in: list[str]
    awaited: list[str]


class CoefficientRead(BaseModel):
    """1 is perfect agreement, 0 what chance would give. `low`, `high`: 95 % bootstrap interval.

    `reason`: why there is no value, or, where there is one, why no interval.
    """

    model_config = ConfigDict(from_attributes=True)

    value: Number | None
    low: Number | None
    high: Number | None
    reason: Undefined | None


class AgreementRead(BaseModel):
    """How well auditors, the expert aside, agree. `raw`: the share of `pairs` of answers that are the same.

    `prevalence`: the share of each answer. Where one is near 1, `raw` is high by chance: read `coefficient`, which is
    Krippendorff's alpha at this `level`. `interactions`: how many of them two or more answered this for.
    """

    level: Level
    interactions: int
    answers: int
    pairs: int
    raw: Share | None
    prevalence: dict[str, Share]
    coefficient: CoefficientRead


class CriterionRead(BaseModel):
    """`said`: each answer with who gave it. `differ`: who did not say what the expert said, or, without one, most.

    `why` it is worth talking about: some failed a fatal criterion (`fatal`), or another one (`failed`), and others did
    not; or only the answers differ (`answer`). Null where all agree. `here`: in this interaction; `so_far`: over all
    calibrated with this scorecard up to this one, 50 at the most.
    """

    criterion: str
    name_en: str
    name_zh: str
    weight: Number
    fatal: bool
    said: dict[str, list[str]]
    expert: str | None
    differ: list[str]
    why: Why | None
    here: AgreementRead
    so_far: AgreementRead


class TotalScore(BaseModel):
    """`scores`: of each auditor, null where nothing was applicable. `icc`: ICC(A,1) of the scores that the auditors of
    this session gave in the `icc_interactions` sessions that all of them took part in."""

    scores: dict[str, Number | None]
    expert: Number | None
    lowest: Number | None
    highest: Number | None
    mean: Number | None
    said: dict[str, list[str]]
    result_here: AgreementRead
    result_so_far: AgreementRead
    icc: CoefficientRead
    icc_interactions: int


class CalibrationReport(BaseModel):
    """`words` says the main things in the reader's language; `talk_about` names criteria, the gravest first.

    `verdicts`: agreement on failed, passed and not applicable over all criteria of this interaction.
    """

    id: UUID
    seed: int
    words: list[str]
    talk_about: list[str]
    criteria: list[CriterionRead]
    verdicts: AgreementRead
    total: TotalScore


class MeanRead(BaseModel):
    """With both ends of a 95 % interval; null where there is too little to say."""

    value: Number | None
    low: Number | None
    high: Number | None


class AuditorRead(BaseModel):
    """`severity`: by how many points the auditor scores below the expert or, without one, below the mean of the others.

    Below 0: milder. `drift`: by how many points that grows in 30 days. `surely`: `stricter` or `milder` where the
    interval of the severity says so, else null. `n` sessions, `by_expert` of them with an expert.
    """

    auditor_id: str
    n: int
    by_expert: int
    severity: MeanRead
    drift: MeanRead
    surely: Literal["stricter", "milder"] | None


@router.post("/calibrations", status_code=201)
async def begin_calibration(new: NewCalibration, tx: CurrentTx, principal: Anyone) -> Calibration:
    """Have several auditors judge one recording: a draft audit for each, by the same version of the scorecard."""
    recording, card = await asked_for(tx, new)
    auditors = list(dict.fromkeys(new.auditors))
    everybody = [*auditors, *([new.expert] if new.expert is not None else [])]
    if len(auditors) < 2 or new.expert in auditors:
        wrong: FieldError = {"field": "auditors", "message": ", ".join(auditors)}
        raise Invalid("Name two auditors at least, and an expert who is none of them.", errors=[wrong])
    about: UUID = recording["employee_id"]
    leads = await people.leads_of(tx, ids={about, *(one for sub in everybody if (one := person(sub)))})
    barred = [
        sub
        for sub in everybody
        if not may_audit(sub, leads.get(one) if (one := person(sub)) else None, about, leads.get(about))
    ]
    if barred:
        wrong = {"field": "auditors", "message": ", ".join(barred)}
        raise Invalid(
            "Nobody audits themselves, their own team lead, or those whom they lead; take these off: {people}.",
            people=", ".join(barred), errors=[wrong],
        )  # fmt: skip
    session = Session(
        id=new_id(), recording_id=recording["id"], scorecard_id=card.id, auditors=auditors, expert=new.expert,
        seed=randbits(31) if new.seed is None else new.seed, created_at=tx.now, created_by=principal.sub,
    )  # fmt: skip
    await calibrations.add(tx, session)
    units = [Unit(recording["id"], recording["call_id"], about, sub) for sub in everybody]
    made = await audits.create(tx, card.id, units, by=principal.sub, purpose="calibration", calibration_id=session.id)
    if len(made) < len(units):
        raise IllegalState(
            "One of them calibrates this recording with {scorecard} already; choose another recording, or another "
            "scorecard.",
            scorecard=card.label,
        )
    return _read(await calibrations.with_statuses(tx, session.id, None))


@router.get("/calibrations")
async def list_calibrations(
    tx: CurrentTx,
    reader: Anyone,
    going_on: Annotated[bool | None, Query(alias="open", description="Only those that wait for somebody.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Calibration]:
    """Newest first; an auditor sees those they take part in or began."""
    return await calibrations.listed(tx, _takes_part(reader), going_on, _read, limit=limit, cursor=cursor)


@router.get("/calibrations/auditors")
async def read_auditors(
    tx: CurrentTx,
    reader: Anyone,
    from_day: Annotated[date, Query(alias="from", description="First day of the sessions, in the centre.")],
    to_day: Annotated[date, Query(alias="to", description="Last day; at most a year after the first.")],
    scorecard: Annotated[
        Key | None, Query(description="Code; sessions with any scorecard where it is left out.")
    ] = None,
) -> list[AuditorRead]:
    """Severity and drift of each auditor, the strictest first; an auditor sees their own."""
    if not 0 <= (to_day - from_day).days <= 366:
        wrong: FieldError = {"field": "to", "message": str(to_day)}
        raise Invalid("The period ends before it begins, or is longer than a year.", errors=[wrong])
    given = await calibrations.scores(tx, from_day, to_day, scorecard)
    seen = await asyncio.to_thread(auditors_seen, given)
    mine = _takes_part(reader)
    return [_auditor(one) for one in seen if mine is None or one.auditor == mine]


@router.get("/calibrations/{id}")
async def read_calibration(id: UUID, tx: CurrentTx, reader: Anyone) -> Calibration:
    """Who takes part, and who has handed in; `GET /qa/audits?calibration_id=` has the audits."""
    return _read(await calibrations.with_statuses(tx, id, _takes_part(reader)))


@router.post("/calibrations/{id}/closing")
async def close_calibration(id: UUID, tx: CurrentTx, planner: Anyone) -> Calibration:
    """End a session without those who have not handed in: their drafts are voided. By a manager, or who began it."""
    session = await calibrations.find(tx, id)
    if planner.sees != "all" and planner.sub != session.created_by:
        raise Forbidden("A manager, or whoever began it, ends a calibration.")
    drafts = await calibrations.drafts(tx, id)
    if not drafts:
        raise IllegalState("The calibration is finished, all have handed in; what can be done with it now: agreement.")
    for draft in drafts:
        draft.void("not_handed_in")
        await audits.save(tx, draft, "voided", by=planner.sub, reason="not_handed_in")
    return _read(await calibrations.with_statuses(tx, id, None))


@router.get("/calibrations/{id}/agreement")
async def read_agreement(
    id: UUID, tx: CurrentTx, reader: Anyone, accept_language: Annotated[str | None, Header()] = None
) -> CalibrationReport:
    """What was agreed, who differed from whom, and what to talk about; once all have handed in."""
    row = await calibrations.with_statuses(tx, id, _takes_part(reader))
    awaited = _read(row).awaited
    if awaited:
        raise IllegalState(
            "The calibration is open, and blind until all have handed in; it waits for {n}. What can be done with it "
            "now: submit, closing.",
            n=len(awaited),
        )
    session = await calibrations.find(tx, id)
    card = await scorecards.get(tx, session.scorecard_id)
    so_far = await calibrations.so_far(tx, session, card.code)
    here = so_far[id]
    found = await asyncio.to_thread(report, here, list(so_far.values()), card, session.seed)
    language = preferred(accept_language, tx.settings.language)
    return CalibrationReport(
        id=id,
        seed=session.seed,
        words=_words(found, here, language),
        talk_about=[seen.criterion.key for seen in found.talk_about],
        criteria=[_criterion(seen) for seen in found.criteria],
        verdicts=_agreement(found.verdicts),
        total=_total(found, here),
    )


def _takes_part(reader: Principal) -> str | None:
    """Of whom one has to be a part to see a session; None for those who see all."""
    return None if reader.sees == "all" else reader.sub


def _read(row: RowMapping) -> Calibration:
    statuses: dict[str, str] = row["statuses"]
    awaited = sorted(sub for sub, status in statuses.items() if status == "draft")
    handed_in = sorted(sub for sub, status in statuses.items() if status == "submitted")
    return Calibration(**row, status="open" if awaited else "finished", handed_in=handed_in, awaited=awaited)


def _number(value: float | None, places: int = 4) -> Decimal | None:
    return None if value is None else Decimal(str(round(value, places)))


def _coefficient(found: Coefficient) -> CoefficientRead:
    return CoefficientRead(
        value=_number(found.value), low=_number(found.low), high=_number(found.high), reason=found.reason
    )


def _agreement(found: Agreement) -> AgreementRead:
    return AgreementRead(
        level=found.level, interactions=found.interactions, answers=found.answers, pairs=found.pairs,
        raw=_number(found.raw), coefficient=_coefficient(found.alpha),
        prevalence={name: Decimal(str(round(share, 4))) for name, share in found.prevalence.items()},
    )  # fmt: skip


def _criterion(seen: CriterionSeen) -> CriterionRead:
    c = seen.criterion
    return CriterionRead(
        criterion=c.key, name_en=c.name_en, name_zh=c.name_zh, weight=c.weight, fatal=c.fatal, said=seen.said,
        expert=seen.expert, differ=seen.differ, why=seen.why,
        here=_agreement(seen.here), so_far=_agreement(seen.so_far),
    )  # fmt: skip


def _total(found: Report, here: Interaction) -> TotalScore:
    given = {one.audit.auditor_id: one.audit for one in here.auditors}
    scores = [audit.score for audit in given.values() if audit.score is not None]
    said: dict[str, list[str]] = {}
    for sub, audit in given.items():
        if audit.result is not None:
            said.setdefault(audit.result, []).append(sub)
    return TotalScore(
        scores={sub: audit.score for sub, audit in given.items()},
        expert=here.expert.audit.score if here.expert else None,
        lowest=min(scores, default=None),
        highest=max(scores, default=None),
        mean=_number(float(sum(scores)) / len(scores), 2) if scores else None,
        said=said,
        result_here=_agreement(found.result_here),
        result_so_far=_agreement(found.result_so_far),
        icc=_coefficient(found.icc),
        icc_interactions=found.icc_interactions,
    )


def _words(found: Report, here: Interaction, language: str) -> list[str]:
    alike = len(found.criteria) - len(found.talk_about)
    words = [say(language, "All agree on {alike} of {n} criteria.", alike=alike, n=len(found.criteria))]
    for seen in found.talk_about:
        name = seen.criterion.name_zh if language == "zh" else seen.criterion.name_en
        said = "; ".join(f"{what} ({', '.join(who)})" for what, who in _all_said(seen, here).items())
        match seen.why:
            case "fatal":
                words.append(
                    say(language, "Talk about this first, it is fatal: {name}. Said: {said}.", name=name, said=said)
                )
            case "failed":
                words.append(
                    say(language, "Some failed it, others did not: {name}. Said: {said}.", name=name, said=said)
                )
            case _:
                words.append(say(language, "The answers differ: {name}. Said: {said}.", name=name, said=said))
    scores = [one.audit.score for one in here.auditors if one.audit.score is not None]
    if scores:
        words.append(say(language, "The scores go from {low} to {high}.", low=min(scores), high=max(scores)))
    if found.result_so_far.alpha.low is None:
        words.append(
            say(
                language,
                "How much of the agreement is chance only shows over more sessions, of calls that pass and calls that "
                "fail; there are {n} so far.",
                n=found.result_so_far.interactions,
            )
        )
    return words


def _all_said(seen: CriterionSeen, here: Interaction) -> dict[str, Sequence[str]]:
    """With the expert among them, by name."""
    said: dict[str, Sequence[str]] = dict(seen.said)
    if seen.expert is not None and here.expert is not None:
        said[seen.expert] = [*said.get(seen.expert, []), here.expert.audit.auditor_id]
    return said


def _mean(found: Mean) -> MeanRead:
    return MeanRead(value=_number(found.value, 2), low=_number(found.low, 2), high=_number(found.high, 2))


def _auditor(seen: AuditorSeen) -> AuditorRead:
    low, high = seen.severity.low, seen.severity.high
    surely: Any = None
    if low is not None and high is not None:
        surely = "stricter" if low > 0 else "milder" if high < 0 else None
    return AuditorRead(
        auditor_id=seen.auditor, n=seen.n, by_expert=seen.by_expert, severity=_mean(seen.severity),
        drift=_mean(seen.drift), surely=surely,
    )  # fmt: skip
