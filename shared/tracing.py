"""Which request or letter is this work part of? W3C Trace Context, level 1.

One context variable holds the `traceparent` of what is going on; logs and outgoing letters take it from there. Whether
anybody else hears of it is the subject of `shared.spans`.
"""

import os
import re
from contextvars import ContextVar

_VALID = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch

current: ContextVar[str | None] = ContextVar("traceparent", default=None)

exported = False
"""Whether spans are sent to a collector, so that a `traceparent` must not name one that nobody ever sends."""


def accepted(traceparent: str | None) -> str | None:
    """The header as it came if it is a valid one, else None."""
    return traceparent if traceparent and _VALID(traceparent) else None


def child_of(parent: str | None = None) -> str:
    """A `traceparent` with a span of its own: in the trace of `parent`, else in the current one, else in a new one."""
    known = accepted(parent) or current.get()
    trace, flags = (known[3:35], known[53:55]) if known else (os.urandom(16).hex(), "00")
    return f"00-{trace}-{os.urandom(8).hex()}-{flags}"


def handed_on(parent: str | None = None) -> str:
    """The `traceparent` of a letter that this work leaves: whoever publishes it goes on from there."""
    if exported and (known := accepted(parent) or current.get()):
        return known
    return child_of(parent)


def trace_id() -> str | None:
    known = current.get()
    return known[3:35] if known else None
