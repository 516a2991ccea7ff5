"""What can an operator see? Every metric of the product, once, with its unit in its name.

Labels are bounded sets: service, event type, route, outcome; never an identifier.
"""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)

HTTP_SECONDS = Histogram(
    "headset_http_request_duration_seconds",
    "Time to answer a request.",
    ["method", "route", "status"],
    buckets=_SECONDS,
)
EVENTS_HANDLED = Counter(
    "headset_events_handled_total",
    "Letters delivered to a service, by outcome: handled, repeated, unwanted, buried.",
    ["service", "type", "outcome"],
)
EVENT_AGE_SECONDS = Histogram(
    "headset_event_age_seconds", "From the event to the commit of what it led to.", ["service"], buckets=_SECONDS
)
DELIVERY_RETRIES = Counter(
    "headset_delivery_retries_total",
    "Batches that failed and were tried again, by cause: outage, bug.",
    ["service", "cause"],
)
EVENTS_PUBLISHED = Counter("headset_events_published_total", "Letters the relay gave to the bus.", ["service"])
OUTBOX_ROWS = Gauge(
    "headset_outbox_rows", "Letters waiting in the outbox when the relay last looked (at most 1000).", ["service"]
)
OUTBOX_OLDEST_SECONDS = Gauge("headset_outbox_oldest_seconds", "Age of the oldest letter in the outbox.", ["service"])
RELAY_LEADER = Gauge("headset_relay_leader", "1 where this process is the one that publishes.", ["service"])
RELAY_FAILURES = Counter("headset_relay_failures_total", "Rounds of the relay that failed.", ["service"])
LOOP_TURNED = Gauge(
    "headset_consumer_last_turn_timestamp_seconds", "When the consumer's loop last turned.", ["service"]
)
POOL_IN_USE = Gauge("headset_database_connections_in_use", "Connections checked out of the pool.", ["service"])
OVERDUE_STEPS = Gauge(
    "headset_recruiting_overdue_steps", "Steps open beyond the days allowed for them.", ["step", "owner"]
)
