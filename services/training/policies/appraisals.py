"""When an appraisal is final, or revised, which training does it ask for?"""

from typing import Any

from services.training.repository import appraisals, catalogue, people, planning
from services.training.repository.appraisals import REVISED
from shared.calendar import local_day
from shared.contracts.performance import AppraisalFinalised
from shared.db import Tx

US = "training"
LOW = 60
"""A final appraisal below this asks for training, also where the appraisal names no competencies."""


async def train_after_low_appraisals(event: AppraisalFinalised, tx: Tx) -> None:
    """Courses and needs follow the newest revision; what comes after it and is older changes nothing."""
    if await appraisals.is_newest(tx, event.appraisal_id, event.revision):
        await _courses(event, tx)
        await _need(event, tx)


async def _courses(event: AppraisalFinalised, tx: Tx) -> None:
    """Programmes that go by the appraisal enrol those below their mark, once for each appraisal."""
    today = local_day(tx.now, tx.settings.zone)
    known = await people.hold(tx, [event.employee_id], today, known=True)
    here = [person for person in known.values() if not person.gone]
    await appraisals.follow(tx, event.employee_id, event.appraisal_id, event.total, here=bool(here), actor=US)
    if event.total is not None:
        wanted = {event.employee_id: (event.appraisal_id, event.total)}
        await catalogue.enrol_by_programmes(tx, here, today, actor=US, appraisals=wanted)


async def _need(event: AppraisalFinalised, tx: Tx) -> None:
    """A low appraisal asks for training: one need for each, with what was low as its evidence. It follows the newest
    revision until somebody has assessed it; after that the need stays, and its evidence says what became of it."""
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
