"""What do checks by machine rest on: their rules, transcripts, cases, and calls that owed a call-back?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import delete, select

from services.qa.domain.checks import CallBack, Case, Check, CheckRules, Material, Promise
from services.qa.domain.transcripts import Turn, Turns
from services.qa.tables import cases, check_rules, draws, transcripts
from shared.contracts.crm import CaseResolved
from shared.db import RowMapping, Tx
from shared.delivery import Delivered
from shared.direct import text
from shared.pages import Page, page

_turns = TypeAdapter(Turns)
REACH = timedelta(days=1)
"""A call-back later than this is a call of its own."""

_KEEP_CASES = text("""
    INSERT INTO qa.cases AS known (case_id, call_id, category, opened_at, closed_at, told_at, told_by)
    SELECT * FROM unnest(CAST(:cases AS text[]), CAST(:calls AS text[]), CAST(:categories AS text[]),
                         CAST(:opened AS timestamptz[]), CAST(:closed AS timestamptz[]),
                         CAST(:told_at AS timestamptz[]), CAST(:told_by AS text[]))
    ON CONFLICT (case_id) DO UPDATE SET (call_id, category, opened_at, closed_at, told_at, told_by)
         = (excluded.call_id, excluded.category, excluded.opened_at, excluded.closed_at, excluded.told_at,
            excluded.told_by)
    WHERE (known.told_at, known.told_by) < (excluded.told_at, excluded.told_by)
""")

# Of an outbound call: the last one before it that the customer made in vain, if nobody has called back since. A call
# that rang at one agent and was answered by another was answered. Both statements use `recordings_by_customer`.
_CALLED_BACK = text("""
    SELECT before.call_id, before.ended_at, before.direction = 'inbound' AS owes
    FROM qa.recordings AS before
    WHERE before.customer_ref = :customer AND (before.answered_at IS NULL OR before.direction = 'outbound')
      AND before.started_at < :started AND before.started_at >= :earliest AND before.call_id <> :call
      AND (before.direction = 'outbound' OR NOT EXISTS (
            SELECT FROM qa.recordings AS other WHERE other.call_id = before.call_id AND other.answered_at IS NOT NULL))
    ORDER BY before.started_at DESC, before.id
    LIMIT 1
""")

_OWES = text("""
    SELECT min(back.started_at) FROM qa.recordings AS back
    WHERE back.customer_ref = :customer AND back.direction = 'outbound'
      AND back.started_at >= :ended AND back.started_at < :latest
""")


async def keep_cases(tx: Tx, delivered: Sequence[Delivered[CaseResolved]]) -> None:
    """The newest copy of each case, by time and then id of the letter."""
    newest: dict[str, Delivered[CaseResolved]] = {}
    for copy in sorted(delivered, key=lambda copy: (copy.letter.time, copy.letter.id)):
        newest[copy.event.case_id] = copy
    copies = [newest[key] for key in sorted(newest)]  # one order everywhere: no deadlocks
    await tx.run(
        _KEEP_CASES,
        {
            "cases": [copy.event.case_id for copy in copies],
            "calls": [copy.event.call_id for copy in copies],
            "categories": [copy.event.category for copy in copies],
            "opened": [copy.event.opened_at for copy in copies],
            "closed": [copy.event.closed_at for copy in copies],
            "told_at": [copy.letter.time for copy in copies],
            "told_by": [copy.letter.id for copy in copies],
        },
    )


async def rules(tx: Tx, *, to_change: bool = False) -> tuple[int, CheckRules]:
    """Version and rules, the newest, `to_change` locked."""
    query = select(check_rules).order_by(check_rules.c.version.desc()).limit(1)
    row = await tx.first(query.with_for_update() if to_change else query)
    assert row is not None  # a migration put it there
    return row["version"], CheckRules(**row["rules"])


async def change_rules(tx: Tx, version: int, new: CheckRules, by: str) -> None:
    written = {"rules": new.model_dump(mode="json"), "changed_at": tx.now, "changed_by": by}
    await tx.run(check_rules.insert(), {"version": version, **written})


async def versions(tx: Tx, shape: Any, *, limit: int, cursor: str | None) -> Page[Any]:
    return await page(tx, select(check_rules), [check_rules.c.version], shape, limit=limit, cursor=cursor)


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a recording."""

    recording_id: UUID
    version: int
    turns: tuple[Turn, ...]
    handed_in_at: datetime
    handed_in_by: str


async def transcript(tx: Tx, recording_id: UUID, *, to_change: bool = False) -> Transcript | None:
    query = select(transcripts).where(transcripts.c.recording_id == recording_id)
    row = await tx.first(query.with_for_update() if to_change else query)
    return None if row is None else Transcript(**{**row, "turns": _turns.validate_python(row["turns"])})


_PUT = text("""
    INSERT INTO qa.transcripts AS known (recording_id, version, turns, handed_in_at, handed_in_by)
    VALUES (:recording, 1, CAST(:turns AS jsonb), :at, :by)
    ON CONFLICT (recording_id) DO UPDATE SET (version, turns, handed_in_at, handed_in_by)
         = (known.version + 1, excluded.turns, excluded.handed_in_at, excluded.handed_in_by)
    RETURNING version
""")


async def put_transcript(tx: Tx, recording_id: UUID, turns: tuple[Turn, ...], by: str) -> Transcript:
    """The newest stands alone: of what people said, no more is kept than is needed."""
    given = {"recording": recording_id, "turns": _turns.dump_json(turns).decode(), "at": tx.now, "by": by}
    return Transcript(recording_id, await tx.scalar(_PUT, given), turns, tx.now, by)


async def drop_transcript(tx: Tx, recording_id: UUID) -> None:
    await tx.run(delete(transcripts).where(transcripts.c.recording_id == recording_id))


async def drop_old_transcripts(tx: Tx) -> None:
    """As the rules say."""
    _, now = await rules(tx)
    if now.transcript_days is not None:
        oldest = tx.now - timedelta(days=now.transcript_days)
        await tx.run(delete(transcripts).where(transcripts.c.handed_in_at < oldest))


async def plan_of(tx: Tx, draw_id: UUID | None) -> UUID | None:
    """The plan that drew an audit; None for one that somebody chose."""
    if draw_id is None:
        return None
    plan: UUID = await tx.scalar(select(draws.c.plan_id).where(draws.c.id == draw_id))
    return plan


async def material(tx: Tx, recording: RowMapping, said: Transcript | None, checks: Iterable[Check]) -> Material:
    """What is known of this interaction, as far as these checks ask for it."""
    led_to = await tx.all(select(cases).where(cases.c.call_id == recording["call_id"]).order_by(cases.c.case_id))
    asking = [check for check in checks if isinstance(check, Promise) and check.kind == "call_back"]
    owed = {check.key: await _call_back(tx, recording, check.topics) for check in asking}
    return Material(
        inbound=recording["direction"] == "inbound",
        wait_seconds=_seconds(recording["wait_ms"]),
        hold_seconds=_seconds(recording["hold_ms"]),
        length_seconds=(recording["ended_at"] - recording["answered_at"]).total_seconds(),
        turns=None if said is None else said.turns,
        call_backs={key: one for key, one in owed.items() if one},
        cases=[Case(row["case_id"], row["category"], row["opened_at"], row["closed_at"]) for row in led_to],
    )


async def _call_back(tx: Tx, recording: RowMapping, topics: Sequence[str]) -> CallBack | None:
    """Of an outbound call, what it calls back; of another whose topic promises a call-back, whether one came."""
    if recording["customer_ref"] is None:
        return None
    call, customer = {"call": recording["call_id"]}, {"customer": recording["customer_ref"]}
    if recording["direction"] == "outbound":
        started = recording["started_at"]
        before = await tx.first(_CALLED_BACK, {**call, **customer, "started": started, "earliest": started - REACH})
        return CallBack(before["call_id"], before["ended_at"], started) if before and before["owes"] else None
    if recording["topic"] not in topics:
        return None
    ended = recording["ended_at"]
    back = await tx.scalar(_OWES, {**customer, "ended": ended, "latest": ended + REACH})
    return CallBack(recording["call_id"], ended, back)


def _seconds(milliseconds: int | None) -> Decimal | None:
    return None if milliseconds is None else Decimal(milliseconds) / 1000
