"""As time passes and people are appraised, what is needed, and what is due?"""

from datetime import date, datetime, time
from typing import Any

from pydantic import TypeAdapter

from services.training.domain.calendar import REMINDERS
from services.training.domain.planning import month_after
from services.training.domain.surveys import SurveyQuestion, wanting
from services.training.repository import audits, catalogue, planning
from services.training.repository.rows import remind
from shared.calendar import local_day
from shared.contracts.performance import AppraisalFinalised
from shared.db import Tx
from shared.statistics import wilson

US = "training"
LOW = 60
"""A final appraisal below this asks for training, also where the appraisal names no competencies."""
REVISED = "appraisal_revised"
"""Why a need is returned that rested on an appraisal that is not low any more."""
OFTEN = 3
"""So many failed audits of one competency in a month ask for training."""


async def remind_of_deadlines(tx: Tx) -> None:
    """Seven days and one day before a deadline that is not met: once each."""
    today = local_day(tx.now, tx.settings.zone)
    soon = planning.near(await planning.calendar(tx, today.year, today.year + 1), today, max(REMINDERS))
    for deadline, row, _ in soon:
        days = (deadline.due_on - today).days
        await remind(
            tx, kind="deadline", subject=f"{deadline.key}:{deadline.period}", who=row["who"], due_on=deadline.due_on,
            days_before=min(distance for distance in REMINDERS if days <= distance),
        )  # fmt: skip


async def propose_needs_from_audits(tx: Tx) -> None:
    """Count the failed competencies of the month that is over, once; what was failed often becomes a need."""
    today = local_day(tx.now, tx.settings.zone)
    first, last = month_after(today, -1), month_after(today, 0)
    if await planning.tallied(tx, first):
        return
    taught = await catalogue.courses_by_competency(tx)
    for count in await audits.tally(tx, _midnight(first, tx), _midnight(last, tx)):
        n, failed, competency = count["audits"], count["failed"], count["competency"]
        if failed < OFTEN:
            continue
        rate = wilson(failed, n)
        assert rate is not None
        await planning.propose_need(
            tx, US, origin="audits", origin_id=f"{first:%Y-%m}:{competency}", period=f"{month_after(today):%Y-%m}",
            title=f"{competency}: failed in {failed} of {n} audits in {first:%Y-%m}", course=taught.get(competency),
            competencies=[competency], trainees=sorted(count["employees"]),
            evidence={"month": f"{first:%Y-%m}", "audits": n, "failed": failed, "employees": len(count["employees"]),
                      "rate": round(failed / n, 4), "low": float(rate.low), "high": float(rate.high)},
        )  # fmt: skip


async def propose_needs_from_surveys(tx: Tx) -> None:
    """A survey that is closed, and came out low, becomes a need, once. It rests on what everybody can read of the
    survey and on nothing else, so that nobody is found out by it."""
    today = local_day(tx.now, tx.settings.zone)
    for row in await planning.hold_closed_surveys(tx):
        questions = TypeAdapter(list[SurveyQuestion]).validate_python(row["questions"])
        low = wanting(questions, row["shown"])
        if low:
            keys = {one["question"] for one in low}
            asked = dict.fromkeys(c for question in questions if question.key in keys for c in question.competencies)
            await planning.propose_need(
                tx, US, origin="survey", origin_id=str(row["id"]), period=f"{today.year + 1}", title=row["title"],
                course=row["course"], competencies=list(asked),
                evidence={"survey_id": str(row["id"]), "answers": len(row["shown"]), "questions": low},
            )  # fmt: skip
        await planning.mark_weighed(tx, row["id"])


async def note_low_appraisals(event: AppraisalFinalised, tx: Tx) -> None:
    """A low appraisal asks for training: one need for each, with what was low as its evidence. It follows the newest
    revision until somebody has assessed it; after that the need stays, and its evidence says what became of it."""
    if not await planning.is_newest(tx, event.appraisal_id, event.revision):
        return
    today, id = local_day(tx.now, tx.settings.zone), str(event.appraisal_id)
    found = {
        "revision": event.revision,
        "total": None if event.total is None else float(event.total),
        "low": {code: float(score) for code, score in event.dimensions.items() if score is not None and score < LOW},
    }
    evidence = {"appraisal_id": id, "cycle": event.cycle, **found}
    low = bool(event.competencies) or (event.total is not None and event.total < LOW)
    need = await planning.hold_need(tx, origin="appraisal", origin_id=id)
    if need is None:
        if low:
            await planning.propose_need(
                tx, US, origin="appraisal", origin_id=id, period=f"{today.year + 1}",
                title=f"Appraisal of {event.cycle}", competencies=list(event.competencies),
                trainees=[event.employee_id], evidence=evidence,
            )  # fmt: skip
        return
    untouched = need["priority"] is None and need["status"] in ("collected", "returned")
    if untouched and low:
        now = {"status": "collected", "reason": None, "competencies": list(event.competencies), "evidence": evidence}
        await planning.change_need(tx, need["id"], US, "collected", **now)
        return
    if untouched and need["status"] == "collected":
        became: dict[str, Any] = {"status": "returned", "reason": REVISED}
        action = "withdrawn"
    else:
        became, action = {}, "appraisal_revised"
    while need is not None:
        told = {**need["evidence"], "revised": {**need["evidence"].get("revised", {}), id: found}}
        await planning.change_need(tx, need["id"], US, action, evidence=told, **became)
        need = need["merged_into"] and await planning.hold_need(tx, id=need["merged_into"])


def _midnight(day: date, tx: Tx) -> datetime:
    return datetime.combine(day, time(), tx.settings.zone)
