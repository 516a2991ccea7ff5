"""What is the usual way to write a consumer? One handler, one SQLAlchemy session and one commit for each message.

`python -m bench.usual SERVICE BOOTSTRAP TOPIC URL`, a process to compare with: by FastStream and the ORM, the rows that
the service writes, in the product's own tables.
"""

import logging
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import uvloop
from faststream import Context, FastStream
from faststream.kafka import KafkaBroker
from sqlalchemy import make_url, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from services.performance import tables as performance
from services.performance.domain.facts import call_fact
from services.qa import tables as qa
from shared.calendar import local_day
from shared.contracts.telephony import CallEnded
from shared.ids import day_of, new_id
from shared.settings import Settings

ZONE = Settings().zone
SAME = ("started_at", "answered_at", "ended_at", "direction", "queue", "topic", "recording_uri", "customer_ref")
TIMES = ("wait", "talk", "hold", "wrap_up")


class Base(DeclarativeBase):
    if TYPE_CHECKING:  # columns come from the tables, where the type checker does not see them

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...


class QaInbox(Base):
    __table__ = qa.metadata.tables["qa.inbox"]


class PerformanceInbox(Base):
    __table__ = performance.metadata.tables["performance.inbox"]


class Recording(Base):
    __table__ = qa.recordings


class CallFact(Base):
    __table__ = performance.call_facts


class CallDay(Base):
    __table__ = performance.call_days


async def keep_recording(session: AsyncSession, call: CallEnded, id: str, at: datetime) -> None:
    agent = call.agent_id or qa.NOBODY
    known = select(Recording).where(qa.recordings.c.call_id == call.call_id, qa.recordings.c.agent_id == agent)
    recording = await session.scalar(known)
    if recording is None:
        recording = Recording(id=new_id(), call_id=call.call_id, agent_id=agent)
        session.add(recording)
    elif (recording.told_at, recording.told_by) >= (at, id):
        return
    for name in SAME:
        setattr(recording, name, getattr(call, name))
    for name in TIMES:
        seconds = getattr(call, f"{name}_seconds")
        setattr(recording, f"{name}_ms", None if seconds is None else round(seconds * 1000))
    recording.day = local_day(call.started_at, ZONE)
    recording.told_at, recording.told_by = at, id


async def count_call(session: AsyncSession, call: CallEnded, id: str, at: datetime) -> None:
    """New calls only: taking out what an older copy said would make this slower still."""
    fact = call_fact(call, at, id, ZONE)
    if fact is None or await session.get(CallFact, (fact.call_id, fact.agent_id)) is not None:
        return
    session.add(CallFact(**fact._asdict()))
    key = {"agent_id": fact.agent_id, "day": fact.day, "queue": fact.queue}
    day = await session.get(CallDay, key, with_for_update=True)
    if day is None:
        sums = [column.name for column in performance.call_days.columns if not column.nullable]
        day = CallDay(**{**dict.fromkeys(sums, 0), **key})
        session.add(day)
    day.calls += 1
    if fact.answered:
        day.answered += 1
        for name in TIMES:
            if (value := getattr(fact, f"{name}_ms")) is not None:
                setattr(day, f"{name}s", getattr(day, f"{name}s") + 1)
                setattr(day, f"{name}_ms", getattr(day, f"{name}_ms") + value)
        day.within_20s += int(fact.wait_ms is not None and fact.wait_ms <= 20_000)
        if fact.talk_ms is not None:
            day.handling_ms += fact.talk_ms + (fact.hold_ms or 0) + (fact.wrap_up_ms or 0)


HANDLERS = {"qa": (QaInbox, keep_recording), "performance": (PerformanceInbox, count_call)}


def application(service: str, bootstrap: str, topic: str, url: str) -> FastStream:
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    session_of = async_sessionmaker(engine, expire_on_commit=False)
    broker = KafkaBroker(bootstrap, logger=None)
    inbox, react = HANDLERS[service]

    @broker.subscriber(topic, group_id=topic, auto_offset_reset="earliest")
    async def handle(
        call: CallEnded,
        id: Annotated[str, Context("message.headers.ce_id")],
        at: Annotated[str, Context("message.headers.ce_time")],
    ) -> None:
        key = {"day": day_of(UUID(id)), "event_id": UUID(id)}
        async with session_of() as session:
            if await session.get(inbox, key) is not None:
                return
            session.add(inbox(**key))
            await react(session, call, id, datetime.fromisoformat(at))
            await session.commit()

    return FastStream(broker, logger=None)


if __name__ == "__main__":
    logging.disable(logging.INFO)
    uvloop.run(application(*sys.argv[1:]).run())
