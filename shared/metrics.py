"""What can an operator see? Every metric of the product, once, with its unit in its name.

Labels are bounded sets: service, event type, route, outcome; never an identifier.

Who reports what, so that replicas add up:

* counters and histograms: each process what it did itself. Over replicas, `sum`.
* gauges of a process (pool, consumer, relay): each process its own; a partition is assigned to one consumer only, so
  the sum of their lags is the lag of the service.
* gauges of a database (marked "of the database"): every worker of a service looks for itself (`shared.watch`), so all
  of them say the same. Over replicas, `max`, never `sum`.
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
    "headset_outbox_rows", "Letters waiting in the outbox, counted up to 10000; of the database.", ["service"]
)
OUTBOX_OLDEST_SECONDS = Gauge(
    "headset_outbox_oldest_seconds", "Age of the oldest letter in the outbox; of the database.", ["service"]
)
DEAD_LETTERS = Gauge(
    "headset_dead_letters", "Letters set aside that nobody has dealt with, up to 10000; of the database.", ["service"]
)
RELAY_LEADER = Gauge("headset_relay_leader", "1 where this process is the one that publishes.", ["service"])
RELAY_FAILURES = Counter("headset_relay_failures_total", "Rounds of the relay that failed.", ["service"])
LOOP_TURNED = Gauge(
    "headset_consumer_last_turn_timestamp_seconds", "When the consumer's loop last turned.", ["service"]
)
CONSUMER_LAG = Gauge(
    "headset_consumer_lag_letters",
    "Letters in the partitions assigned to this process that it has not handled.",
    ["service", "topic"],
)
OLDEST_UNHANDLED_SECONDS = Gauge(
    "headset_consumer_oldest_unhandled_seconds",
    "Age of the oldest letter in the batch in hand, by the time Kafka took it; 0 with nothing in hand.",
    ["service"],
)
POOL_IN_USE = Gauge("headset_database_connections_in_use", "Connections checked out of the pool.", ["service"])
POOL_SIZE = Gauge("headset_database_connections_limit", "Connections the pool may hold.", ["service"])
JOB_RUNS = Counter(
    "headset_job_runs_total", "Recurring jobs, by outcome: done, elsewhere (another replica was at it), failed.",
    ["service", "name", "outcome"],
)  # fmt: skip
LOOKED = Gauge(
    "headset_last_look_timestamp_seconds",
    "When this process last brought the gauges of the database up to date, by kind: mailbox, business, invariants.",
    ["service", "kind"],
)
BREACHES = Gauge(
    "headset_invariant_breaches",
    "Cases in which something that must always hold does not, up to 100; of the database.",
    ["service", "invariant"],
)

CALLS_ERASED = Counter(
    "headset_calls_erased_total", "Calls erased because they were kept for as long as they may be.", ["service"]
)
CALLS_LEFT_OUT = Counter(
    "headset_calls_left_out_total",
    "Copies of calls that are not there and older than calls are kept; they were not taken.",
    ["service"],
)

# The business loop.
AUDITS = Counter(
    "headset_audits_told_total",
    "Verdicts that the other services were told of, by result (passed, failed) and gravest error class.",
    ["result", "error_class"],
)
DISPUTES = Counter(
    "headset_disputes_decided_total", "Decisions, by outcome: upheld, revised, overturned, wrong_agent.", ["outcome"]
)
COACHING_SECONDS = Histogram(
    "headset_failed_audit_to_coaching_seconds",
    "From the verdict of a failed audit to what training decided about it.",
    buckets=_SECONDS,
)
APPRAISAL_SECONDS = Histogram(
    "headset_failed_audit_to_appraisal_seconds",
    "From the verdict of a failed audit to its entry in the appraisal.",
    buckets=_SECONDS,
)
OPEN_COACHING = Gauge(
    "headset_coaching_open_assignments",
    "Coaching assigned and not completed, by days since: 0-2, 3-5, 6-10, 11-30, over 30; of the database.",
    ["days"],
)
OVERDUE_STEPS = Gauge(
    "headset_recruiting_overdue_steps",
    "Steps open beyond the days allowed for them; of the database.",
    ["step", "owner"],
)
WAITING_CALLS = Gauge(
    "headset_calls_waiting_for_agent",
    "Answered calls of logins that nobody is known to have, up to 10000; of the database.",
)
