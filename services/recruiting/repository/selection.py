"""What is found out about a candidate: interviews, score sheets, documents, medical, offers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from services.recruiting.domain.forms import Document, DocumentStatus, Meeting
from services.recruiting.domain.interviews import Sheet
from services.recruiting.tables import applications, documents, interview_changes, interviews, offers, score_sheets
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.ids import new_id


async def add_interview(tx: Tx, application_id: UUID, meeting: Meeting) -> UUID:
    """The next round."""
    last = await tx.scalar(select(func.max(interviews.c.round)).where(interviews.c.application_id == application_id))
    id = new_id()
    await tx.run(
        insert(interviews).values(
            id=id, application_id=application_id, round=(last or 0) + 1, status="scheduled", version=1,
            **meeting.model_dump(exclude={"panel"}),
        )
    )  # fmt: skip
    await seat(tx, id, application_id, meeting.panel)
    return id


async def seat(tx: Tx, interview_id: UUID, application_id: UUID, panel: Collection[str]) -> None:
    """Make this the panel; sheets handed in stay."""
    await tx.run(
        text("""
        WITH gone AS (
            DELETE FROM recruiting.score_sheets
            WHERE interview_id = :id AND handed_in_at IS NULL AND member <> ALL (CAST(:panel AS text[]))
        )
        INSERT INTO recruiting.score_sheets (interview_id, member, application_id, scores, papers)
        SELECT :id, member, :application, '{}', '{}' FROM unnest(CAST(:panel AS text[])) AS given (member)
        ON CONFLICT DO NOTHING
        """),
        {"id": interview_id, "application": application_id, "panel": sorted(panel)},
    )


async def reschedule(
    tx: Tx, before: RowMapping, panel: Collection[str], meeting: Meeting, reason: str, actor: str
) -> None:
    after = meeting.model_dump(exclude={"panel"})
    old = {field: before[field] for field in after} | {"panel": sorted(panel)}
    await tx.run(
        update(interviews).where(interviews.c.id == before["id"]).values(**after, version=interviews.c.version + 1)
    )
    await seat(tx, before["id"], before["application_id"], meeting.panel)
    await tx.run(
        insert(interview_changes).values(
            interview_id=before["id"], at=tx.now, actor=actor, reason=reason, before=to_jsonable_python(old),
            after=to_jsonable_python(after | {"panel": sorted(meeting.panel)}),
        )
    )  # fmt: skip


async def interview(tx: Tx, id: UUID, *, hold: bool = False) -> RowMapping | None:
    query = select(interviews).where(interviews.c.id == id)
    return await tx.first(query.with_for_update() if hold else query)


async def rounds(tx: Tx, application_id: UUID) -> Sequence[RowMapping]:
    return await tx.all(select(interviews).where(interviews.c.application_id == application_id).order_by("round"))


async def finish_round(tx: Tx, application_id: UUID, status: str) -> bool:
    """The newest round that is scheduled was held or missed; False where none is."""
    done = await tx.scalar(
        text("""
        UPDATE recruiting.interviews SET status = :status, version = version + 1
        WHERE id = (SELECT id FROM recruiting.interviews WHERE application_id = :id AND status = 'scheduled'
                    ORDER BY round DESC LIMIT 1)
        RETURNING id
        """),
        {"id": application_id, "status": status},
    )
    return done is not None


async def clashes(tx: Tx, interview_id: UUID) -> Sequence[RowMapping]:
    """Other interviews at the same time with the same candidate, a member of this panel, or in the same place."""
    return await tx.all(
        text("""
        SELECT other.id AS interview_id, other.starts_at, other.ends_at,
               other.application_id = this.application_id AS same_candidate, other.place = this.place AS same_place,
               coalesce((SELECT array_agg(mine.member ORDER BY mine.member)
                         FROM recruiting.score_sheets mine JOIN recruiting.score_sheets theirs USING (member)
                         WHERE mine.interview_id = this.id AND theirs.interview_id = other.id), '{}') AS members
        FROM recruiting.interviews this
        JOIN recruiting.interviews other
          ON other.id <> this.id AND other.status = 'scheduled' AND other.starts_at < this.ends_at
             AND other.starts_at > this.starts_at - interval '1 day' AND other.ends_at > this.starts_at
        WHERE this.id = :id
          AND (other.application_id = this.application_id OR other.place = this.place
               OR EXISTS (SELECT FROM recruiting.score_sheets mine JOIN recruiting.score_sheets theirs USING (member)
                          WHERE mine.interview_id = this.id AND theirs.interview_id = other.id))
        ORDER BY other.starts_at, other.id LIMIT 50
        """),
        {"id": interview_id},
    )


async def sheets(
    tx: Tx, *, interview_id: UUID | None = None, application_ids: Collection[UUID] | None = None
) -> dict[UUID, list[Sheet]]:
    """Score sheets by application, of one interview or of these applications."""
    query = select(score_sheets).order_by(score_sheets.c.interview_id, score_sheets.c.member)
    if interview_id is not None:
        query = query.where(score_sheets.c.interview_id == interview_id)
    if application_ids is not None:
        query = query.where(score_sheets.c.application_id.in_(application_ids))
    found: dict[UUID, list[Sheet]] = {}
    for row in await tx.all(query):
        sheet = Sheet(
            row["interview_id"], row["member"], _decimals(row["scores"]), _decimals(row["papers"]),
            row["handed_in_at"] is not None,
        )  # fmt: skip
        found.setdefault(row["application_id"], []).append(sheet)
    return found


async def write_sheet(
    tx: Tx, interview_id: UUID, member: str, scores: Any, papers: Any, handed_in: datetime | None
) -> None:
    await tx.run(
        update(score_sheets)
        .where(score_sheets.c.interview_id == interview_id, score_sheets.c.member == member)
        .values(scores=_texts(scores), papers=_texts(papers), handed_in_at=handed_in)
    )


async def set_score(tx: Tx, application_id: UUID, score: Decimal | None) -> None:
    await tx.run(update(applications).where(applications.c.id == application_id).values(score=score))


async def set_medical(tx: Tx, application_id: UUID, medical: str) -> None:
    await tx.run(update(applications).where(applications.c.id == application_id).values(medical=medical))


async def set_proposed(tx: Tx, application_id: UUID) -> None:
    await tx.run(update(applications).where(applications.c.id == application_id).values(proposed_at=tx.now))


async def scored_by(tx: Tx, application_ids: Collection[UUID], member: str) -> bool:
    """Whether this member handed in a sheet on one of these candidates."""
    found = await tx.scalar(
        select(score_sheets.c.application_id)
        .where(score_sheets.c.application_id.in_(application_ids), score_sheets.c.member == member)
        .where(score_sheets.c.handed_in_at.is_not(None))
        .limit(1)
    )
    return found is not None


async def set_documents(tx: Tx, application_id: UUID, given: Mapping[Document, DocumentStatus], verifier: str) -> None:
    for document in sorted(given):
        values = {"status": given[document], "verifier": verifier, "at": tx.now}
        await tx.run(
            insert(documents)
            .values(application_id=application_id, document=document, **values)
            .on_conflict_do_update(index_elements=["application_id", "document"], set_=values)
        )


async def documents_of(tx: Tx, application_ids: Collection[UUID]) -> Sequence[RowMapping]:
    return await tx.all(
        select(documents)
        .where(documents.c.application_id.in_(application_ids))
        .order_by(documents.c.application_id, documents.c.document)
    )


async def offer(tx: Tx, application_id: UUID) -> RowMapping | None:
    """The offer that is open."""
    return await tx.first(select(offers).where(offers.c.application_id == application_id, offers.c.status == "open"))


async def newest_offer(tx: Tx, application_id: UUID) -> RowMapping | None:
    return await tx.first(
        select(offers).where(offers.c.application_id == application_id).order_by(offers.c.id.desc()).limit(1)
    )


async def make_offer(tx: Tx, application_id: UUID, expires_on: date) -> None:
    await tx.run(
        insert(offers).values(
            id=new_id(), application_id=application_id, made_at=tx.now, expires_on=expires_on, status="open"
        )
    )


async def close_offer(tx: Tx, application_id: UUID, status: str) -> None:
    await tx.run(
        update(offers)
        .where(offers.c.application_id == application_id, offers.c.status == "open")
        .values(status=status, decided_at=tx.now)
    )


async def offers_expired(tx: Tx, today: date) -> Sequence[UUID]:
    """Applications whose offer was open on its last day; at most 500."""
    return await tx.column(
        select(offers.c.application_id)
        .where(offers.c.status == "open", offers.c.expires_on < today)
        .order_by(offers.c.application_id)
        .limit(500)
    )


def _decimals(scores: Mapping[str, Any]) -> dict[str, Decimal]:
    return {key: Decimal(value) for key, value in scores.items()}


def _texts(scores: Mapping[str, Decimal]) -> dict[str, str]:
    """As text, for JSON numbers would not keep all digits."""
    return {key: str(value) for key, value in scores.items()}
