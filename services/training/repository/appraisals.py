"""Which training does an appraisal ask for, as its newest revision says?"""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.training.domain.catalogue import WhoLearns
from services.training.repository import learning
from services.training.repository.rows import change
from services.training.tables import planning as tables
from services.training.tables.catalogue import enrolments, programmes
from shared.db import Tx
from shared.direct import text

REVISED = "appraisal_revised"
"""Why training is not asked for any more: the appraisal it rests on is not low any more."""


async def is_newest(tx: Tx, appraisal_id: UUID, revision: int) -> bool:
    """Note this revision, and hold the appraisal until the transaction ends; False if it, or a later one, was known."""
    made = insert(tables.appraisals).values(appraisal_id=appraisal_id, revision=revision)
    newer = made.on_conflict_do_update(
        index_elements=["appraisal_id"],
        set_={"revision": made.excluded.revision},
        where=tables.appraisals.c.revision < made.excluded.revision,
    )
    return await tx.scalar(newer.returning(tables.appraisals.c.revision)) is not None


async def follow(
    tx: Tx, employee_id: UUID, appraisal_id: UUID, total: Decimal | None, *, here: bool, actor: str
) -> None:
    """Courses that the appraisal asked for before: given up where it is not below the mark of their programme any more,
    unless the programme has begun; taken up again where it is again, and the employee `here`."""
    it = enrolments.c
    mine = select(enrolments).where(
        it.employee_id == employee_id, it.source == "appraisal", it.source_id.endswith(f":{appraisal_id}")
    )
    ids = [row["id"] for row in await tx.all(mine)]
    if not ids:
        return
    seats = await learning.places_ahead(tx, ids)  # held first, as whoever notes attendance does
    rows = await tx.all(mine.order_by(it.id).with_for_update())
    found = await tx.all(select(programmes).where(programmes.c.id.in_({row["programme_id"] for row in rows})))
    marks = {row["id"]: WhoLearns.model_validate(row["who"]).appraisal_below for row in found}
    begun = await _begun(tx, ids)
    for row in rows:
        mark = marks[row["programme_id"]]
        asked = mark is None or (total is not None and total < mark)
        gone = row["status"] == "cancelled"
        if asked and row["reason"] == REVISED and (here or not gone):
            await change(
                tx, enrolments, row["id"], actor, REVISED, reason=None, **({"status": "enrolled"} if gone else {})
            )
        elif not asked and not gone and row["reason"] is None:
            stays = row["programme_id"] in begun
            await change(
                tx, enrolments, row["id"], actor, REVISED, reason=REVISED, **({} if stays else {"status": "cancelled"})
            )
            for place in seats:
                if place["enrolment_id"] == row["id"] and not stays:
                    await learning.give_up_place(tx, place, by=actor)


async def _begun(tx: Tx, enrolment_ids: list[UUID]) -> set[UUID]:
    """The programmes of these enrolments of which something is done: attended, examined, acknowledged, completed."""
    rows = await tx.tuples(
        text("""
        SELECT DISTINCT it.programme_id FROM training.enrolments AS it
        WHERE it.id = ANY(CAST(:ids AS uuid[])) AND (
            it.status IN ('completed', 'failed') OR cardinality(it.documents) > 0
            OR EXISTS (SELECT FROM training.attendances AS a WHERE a.enrolment_id = it.id AND a.present)
            OR EXISTS (SELECT FROM training.examinations AS e WHERE e.enrolment_id = it.id))
        """),
        {"ids": enrolment_ids},
    )
    return {row.programme_id for row in rows}
