"""Every event that one service publishes, or that comes in from outside, one file a publisher."""

from shared.contracts import crm, performance, qa, recruiting, telephony, training
from shared.events import REGISTRY

__all__ = ["TOPICS", "crm", "performance", "qa", "recruiting", "telephony", "training"]

TOPICS: tuple[str, ...] = tuple(sorted({event.kafka_topic for event in REGISTRY.values()}))
