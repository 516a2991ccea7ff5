"""As time passes, what is needed, and what is due?"""

from datetime import date, datetime, time

from pydantic import TypeAdapter

from services.training.domain.calendar import REMINDERS
from services.training.domain.planning import month_after
from services.training.domain.surveys import SurveyQuestion, wanting
from services.training.repository import audits, catalogue, planning
from services.training.repository.rows import remind
from shared.calendar import local_day
from shared.db import Tx
from shared.statistics import wilson

US = "training"
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


def _midnight(day: date, tx: Tx) -> datetime:
    return datetime.combine(day, time(), tx.settings.zone)
