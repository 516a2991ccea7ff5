"""What calls are measured with? A made-up centre of six hundred agents, the same for the same seed."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.contracts.telephony import CallEnded
from shared.events import Letter
from shared.kafka import KafkaBus
from shared.settings import Settings

AGENTS = 600
QUEUES = ("billing", "faults", "moving", "complaints")
TOPICS = ("contract", "technical_support", "streaming", "payment", "administration")
ANSWERED = 0.9


def calls(number: int, seed: int, now: datetime | None = None, agents: int = AGENTS) -> Iterator[CallEnded]:
    """Calls of the eight hours before `now`; one in ten was answered by nobody. Their ids are random UUIDs."""
    chance = random.Random(seed)
    now = now or datetime.now(UTC)
    for _ in range(number):
        id = str(UUID(int=chance.getrandbits(128), version=4))
        wait, talk = chance.randrange(5, 125), chance.randrange(30, 420)
        started = (now - timedelta(seconds=chance.randrange(600, 8 * 3600))).replace(microsecond=0)
        answered = chance.random() < ANSWERED
        yield CallEnded(
            call_id=id,
            agent_id=f"agent-{chance.randrange(agents):04}" if answered else None,
            customer_ref=f"c-{chance.randrange(10**8):08}",
            queue=chance.choice(QUEUES),
            topic=chance.choice(TOPICS),
            started_at=started,
            answered_at=started + timedelta(seconds=wait) if answered else None,
            ended_at=started + timedelta(seconds=wait + (talk if answered else 0)),
            wait_seconds=wait,
            talk_seconds=talk if answered else None,
            hold_seconds=chance.randrange(30) if answered else None,
            wrap_up_seconds=chance.randrange(60) if answered else None,
            recording_uri=f"s3://recordings/{started:%Y/%m/%d}/{id}.wav" if answered else None,
        )


def letters(number: int, seed: int) -> list[Letter]:
    now = datetime.now(UTC)
    return [Letter.seal(call, source="telephony", at=now) for call in calls(number, seed, now)]


async def put_into_kafka(settings: Settings, sent: Sequence[Letter], topic: str | None = None) -> None:
    """Publish letters; to another topic than their own where one is named."""
    bus = KafkaBus(settings)
    try:
        for start in range(0, len(sent), 5000):
            some = sent[start : start + 5000]
            if topic:
                some = [Letter(topic, letter.key, letter.headers, letter.body) for letter in some]
            await bus.publish(some)
    finally:
        await bus.close()
