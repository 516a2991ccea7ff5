"""Requisitions and what belongs to them: profiles, postings, channels, and lists that wait for a second decider."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import to_json, to_jsonable_python
from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert

from services.recruiting.domain.forms import ChannelCost, Plan
from services.recruiting.domain.interviews import Competency
from services.recruiting.domain.walk import State
from services.recruiting.tables import (
    channels,
    job_profiles,
    list_proposals,
    postings,
    requisition_channels,
    requisitions,
)
from shared.contracts.performance import WeighedBy
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.ids import new_id
from shared.weightings import weights_of

_competencies = TypeAdapter(list[Competency])


async def add(tx: Tx, state: State, plan: Plan, author: str) -> None:
    """Store a new requisition; its first move is stored by `pipeline.move`."""
    await tx.run(
        insert(requisitions).values(
            id=state.id,
            **plan.model_dump(),
            authors=[author],
            status=state.status,
            done=[],
            created_at=tx.now,
            version=0,
        )
    )


async def replan(tx: Tx, id: UUID, plan: Plan, authors: Collection[str]) -> None:
    await tx.run(
        update(requisitions).where(requisitions.c.id == id).values(**plan.model_dump(), authors=sorted(authors))
    )


async def pin_profile(tx: Tx, id: UUID, profile_id: UUID) -> None:
    await tx.run(update(requisitions).where(requisitions.c.id == id).values(profile_id=profile_id))


def listing(*, status: str | None, role: str | None) -> Select[Any]:
    query = select(requisitions)
    if status is not None:
        query = query.where(requisitions.c.status == status)
    if role is not None:
        query = query.where(requisitions.c.role == role)
    return query


async def with_weights(tx: Tx, by: WeighedBy | None, lines: Sequence[Competency]) -> Sequence[Competency]:
    """With the weights of that weighting, if there is one. Raises `Invalid` where it does not fit."""
    if by is None:
        return lines
    weights = await weights_of(tx, by, [line.competency for line in lines])
    return [line.model_copy(update={"weight": weights[line.competency]}) for line in lines]


async def add_profile(
    tx: Tx,
    key: str,
    title: str,
    description: str,
    lines: Sequence[Competency],
    weighed_by: WeighedBy | None,
    author: str,
) -> RowMapping:
    """The next version of the profile of this key."""
    await tx.run(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"recruiting.job_profile.{key}"}
    )
    last = await tx.scalar(select(func.max(job_profiles.c.version)).where(job_profiles.c.key == key))
    row = await tx.first(
        insert(job_profiles)
        .values(
            id=new_id(), key=key, version=(last or 0) + 1, title=title, description=description,
            competencies=to_jsonable_python(lines), weighed_by=weighed_by and weighed_by.model_dump(),
            created_at=tx.now, created_by=author,
        )
        .returning(job_profiles)
    )  # fmt: skip
    assert row is not None
    return row


async def profile(tx: Tx, id: UUID) -> RowMapping | None:
    return await tx.first(select(job_profiles).where(job_profiles.c.id == id))


async def competencies(tx: Tx, profile_id: UUID | None) -> list[Competency]:
    """The lines of a profile; none for none."""
    row = await profile(tx, profile_id) if profile_id else None
    return _competencies.validate_python(row["competencies"]) if row else []


def profiles(key: str | None) -> Select[Any]:
    query = select(job_profiles)
    return query.where(job_profiles.c.key == key) if key is not None else query


async def publish(tx: Tx, id: UUID, posting: Mapping[str, Any]) -> None:
    await tx.run(insert(postings).values(id=new_id(), requisition_id=id, published_at=tx.now, **posting))


async def posting(tx: Tx, id: UUID) -> RowMapping | None:
    """The newest posting of a requisition."""
    return await tx.first(
        select(postings).where(postings.c.requisition_id == id).order_by(postings.c.id.desc()).limit(1)
    )


async def unknown_channels(tx: Tx, keys: Collection[str]) -> set[str]:
    found = await tx.column(select(channels.c.key).where(channels.c.key.in_(keys)))
    return set(keys) - set(found)


async def set_channels(tx: Tx, id: UUID, chosen: Sequence[ChannelCost]) -> None:
    """Add channels, or state anew what they cost."""
    for one in sorted(chosen, key=lambda c: c.channel):
        statement = insert(requisition_channels).values(
            requisition_id=id, channel=one.channel, cost=one.cost, added_at=tx.now
        )
        await tx.run(
            statement.on_conflict_do_update(
                index_elements=["requisition_id", "channel"], set_={"cost": statement.excluded.cost}
            )
        )


async def add_channel(tx: Tx, key: str, name_en: str, name_zh: str) -> None:
    names = {"name_en": name_en, "name_zh": name_zh}
    await tx.run(insert(channels).values(key=key, **names).on_conflict_do_update(index_elements=["key"], set_=names))


def channel_list() -> Select[Any]:
    return select(channels)


async def costs(tx: Tx, id: UUID) -> dict[str, Decimal]:
    """What each channel of a requisition costs."""
    rows = await tx.all(
        select(requisition_channels).where(requisition_channels.c.requisition_id == id).order_by("channel")
    )
    return {row["channel"]: row["cost"] for row in rows}


async def second(tx: Tx, requisition_id: UUID, step: int, decisions: Sequence[Any], actor: str) -> bool:
    """Note that this actor would decide so; whether somebody else has said the same before."""
    digest = blake2b(b"\n".join(sorted(to_json(d) for d in decisions)), digest_size=20).digest()
    row = {"requisition_id": requisition_id, "step": step, "digest": digest, "actor": actor, "at": tx.now}
    await tx.run(insert(list_proposals).values(row).on_conflict_do_nothing())
    other = await tx.scalar(
        select(func.count())
        .select_from(list_proposals)
        .where(list_proposals.c.requisition_id == requisition_id, list_proposals.c.step == step)
        .where(list_proposals.c.digest == digest, list_proposals.c.actor != actor)
    )
    return bool(other)
