"""How does a service come to handle what it missed, while Kafka still holds it?"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import typer

from services.one import named
from services.recovery.place import run
from shared import history, metrics
from shared.db import Database
from shared.delivery import Delivery
from shared.errors import CannotStart
from shared.history import Start
from shared.i18n import say
from shared.settings import Settings


def read_again(settings: Settings, service: str, topics: Sequence[str], start: str) -> None:
    """Deliver to the service what these topics hold, beside its workers; what its inbox knows is skipped."""
    one = named(service)
    begin = _start(start, settings)
    if (url := settings.url_of(service)) is None:
        raise CannotStart("Embedded mode keeps no history: what is handled is gone from the outbox.")
    known = sorted({event.kafka_topic for event in one.policies})
    if strangers := sorted(set(topics) - set(known)):
        raise CannotStart(
            "{service} does not listen to {topics}; it listens to {known}.",
            service=service, topics=", ".join(strangers), known=", ".join(known),
        )  # fmt: skip

    async def read() -> int:
        db = Database(service, url, one.metadata, settings)
        try:
            deliver = Delivery(db, one.policies)
            return sum([await history.read_again(settings, name, begin, deliver) for name in topics or known])
        finally:
            await db.close()

    before = _outcomes(service)
    n = run(read(), settings)
    outcomes = _outcomes(service) - before
    typer.echo(
        say(
            settings.language,
            "{n} records read: {handled} handled now, {known} known already, {dead} dead letters.",
            n=n, handled=outcomes["handled"], known=outcomes["repeated"], dead=outcomes["buried"],
        )
    )  # fmt: skip


def _outcomes(service: str) -> Counter[str]:
    """What became of the letters that this process delivered."""
    found: Counter[str] = Counter()
    for metric in metrics.EVENTS_HANDLED.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total") and sample.labels["service"] == service:
                found[sample.labels["outcome"]] += int(sample.value)
    return found


def _start(given: str, settings: Settings) -> Start:
    if given == "earliest":
        return Start()
    partition, _, offset = given.partition(":")
    if partition.isdigit() and offset.isdigit():
        return Start(partition=int(partition), offset=int(offset))
    try:
        at = datetime.fromisoformat(given)
    except ValueError as error:
        raise CannotStart(
            "{given} is no place to start from: give a time such as 2026-03-01T00:00+08:00, PARTITION:OFFSET, or "
            "'earliest'.",
            given=given,
        ) from error  # fmt: skip
    return Start(at if at.tzinfo else at.replace(tzinfo=settings.zone))
