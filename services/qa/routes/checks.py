"""Checks by machine over HTTP: their rules, transcripts of recordings, and what they suggest to an auditor."""

from datetime import datetime
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict

from services.qa.domain.checks import CheckRules, Suggestion, applying, suggestions
from services.qa.domain.transcripts import Turn, Turns
from services.qa.repository import checks, scorecards
from services.qa.repository.checks import Transcript
from services.qa.routes.audits import seen_audit
from services.qa.routes.recordings import seen_recording
from services.qa.routes.router import router
from services.qa.routes.sight import Seen
from shared.db import RowMapping
from shared.errors import NotFound
from shared.http import CurrentTx, check_match, tag
from shared.identity import Anyone
from shared.pages import Cursor, Limit, Page


class CheckRulesRead(CheckRules):
    """One version of the rules."""

    version: int
    changed_at: datetime
    changed_by: str


class NewTranscript(BaseModel):
    """What was said, in turns; seconds from the beginning of the recording."""

    model_config = ConfigDict(extra="forbid")

    turns: Turns


class TranscriptRead(BaseModel):
    recording_id: UUID
    version: int
    handed_in_at: datetime
    handed_in_by: str
    turns: list[Turn]


class Suggestions(BaseModel):
    """What was found, with the version of the rules, and of the transcript, null where there is none."""

    audit_id: UUID
    rules_version: int
    transcript_version: int | None
    items: list[Suggestion]


@router.get("/check-rules")
async def read_check_rules(tx: CurrentTx, response: Response) -> CheckRulesRead:
    """What is checked by machine: promised times, measures of speech, forbidden and required phrases."""
    newest: CheckRulesRead = (await checks.versions(tx, _read_rules, limit=1, cursor=None)).items[0]
    tag(response, newest.version)
    return newest


@router.get("/check-rules/versions")
async def list_check_rules(tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[CheckRulesRead]:
    """Every version, the newest first."""
    return await checks.versions(tx, _read_rules, limit=limit, cursor=cursor)


@router.put("/check-rules")
async def write_check_rules(
    new: CheckRules, tx: CurrentTx, author: Anyone, request: Request, response: Response
) -> CheckRulesRead:
    """Replace the rules by a new version, by which suggestions are made from now on."""
    version, _ = await checks.rules(tx, to_change=True)
    check_match(request, version)
    await checks.change_rules(tx, version + 1, new, author.sub)
    tag(response, version + 1)
    return CheckRulesRead(**dict(new), version=version + 1, changed_at=tx.now, changed_by=author.sub)


@router.put("/recordings/{id}/transcript")
async def hand_in_transcript(
    id: UUID, new: NewTranscript, tx: CurrentTx, sight: Seen, by: Anyone, request: Request, response: Response
) -> TranscriptRead:
    """Give a recording its transcript, or a better one; the one before is not kept."""
    await seen_recording(tx, id, sight)
    before = await checks.transcript(tx, id, to_change=True)
    check_match(request, before.version if before else 0)
    return _tagged(await checks.put_transcript(tx, id, new.turns, by.sub), response)


@router.get("/recordings/{id}/transcript")
async def read_transcript(id: UUID, tx: CurrentTx, sight: Seen, response: Response) -> TranscriptRead:
    """For those who may see the recording."""
    await seen_recording(tx, id, sight)
    said = await checks.transcript(tx, id)
    if said is None:
        raise NotFound("The recording {id} has no transcript.", id=id)
    return _tagged(said, response)


@router.delete("/recordings/{id}/transcript", status_code=204)
async def delete_transcript(id: UUID, tx: CurrentTx, sight: Seen) -> None:
    """Forget what was said; also where nothing was kept."""
    await seen_recording(tx, id, sight)
    await checks.drop_transcript(tx, id)


@router.get("/audits/{id}/suggestions")
async def read_suggestions(id: UUID, tx: CurrentTx, sight: Seen) -> Suggestions:
    """What a machine finds on the call, with its evidence, for those who may see audit and recording.

    Found anew at each reading, by the newest rules, transcript and events. It changes no answer and no score.
    """
    audit = await seen_audit(tx, id, sight)
    recording = await seen_recording(tx, audit.recording_id, sight)
    version, rules = await checks.rules(tx)
    plan_id = await checks.plan_of(tx, audit.draw_id)
    said = await checks.transcript(tx, audit.recording_id)
    chosen = applying(rules, recording["queue"], plan_id)
    known = await checks.material(tx, recording, said, chosen)
    found = suggestions(chosen, audit.seen_of(await scorecards.get(tx, audit.scorecard_id)), known, tx.now)
    return Suggestions(
        audit_id=id, rules_version=version, transcript_version=said.version if said else None, items=found
    )


def _read_rules(row: RowMapping) -> CheckRulesRead:
    kept = {name: row[name] for name in ("version", "changed_at", "changed_by")}
    return CheckRulesRead(**row["rules"], **kept)


def _tagged(said: Transcript, response: Response) -> TranscriptRead:
    tag(response, said.version)
    return TranscriptRead(
        recording_id=said.recording_id, version=said.version, handed_in_at=said.handed_in_at,
        handed_in_by=said.handed_in_by, turns=list(said.turns),
    )  # fmt: skip
