"""Which failures are expected, and what does the caller learn from each?

A `Problem` is an expected failure of a request and becomes an RFC 9457 problem; `CannotStart` is an expected
failure of a command and becomes one line and exit code 1. Anything else is a bug.

Both keep the English sentence and its values apart, so that the sentence can be looked up in a catalogue.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NotRequired, TypedDict


class FieldError(TypedDict):
    """What is wrong with one field of the input; `field` is a dotted path.

    In a batch of events, `index` and `id` say in which of them.
    """

    field: str
    message: str
    index: NotRequired[int]
    id: NotRequired[str]


class Problem(Exception):
    """Base of every expected failure of a request; anything else is a bug and answers 500.

    `detail` is an English sentence with `{named}` places for `values`; it says what to do.
    """

    status: ClassVar[int] = 400
    type: ClassVar[str] = "/problems/bad-request"
    title: ClassVar[str] = "Bad request"

    def __init__(self, detail: str, /, *, errors: Sequence[FieldError] = (), **values: object) -> None:
        super().__init__(detail.format(**values) if values else detail)
        self.detail = detail
        self.values = values
        self.errors = list(errors)
        self.headers: Mapping[str, str] = {}


class BadRequest(Problem):
    """The request cannot be understood at all."""


class Unauthenticated(Problem):
    status = 401
    type = "/problems/unauthenticated"
    title = "No valid identity"


class Forbidden(Problem):
    status = 403
    type = "/problems/forbidden"
    title = "Not yours to do"


class NotFound(Problem):
    status = 404
    type = "/problems/not-found"
    title = "Not found"


class NotAllowed(Problem):
    status = 405
    type = "/problems/not-allowed"
    title = "Method not allowed"


class IllegalState(Problem):
    """The state does not allow it; the detail names the state and what is allowed."""

    status = 409
    type = "/problems/illegal-state"
    title = "Not possible in the current state"


class StaleVersion(Problem):
    status = 412
    type = "/problems/stale-version"
    title = "Changed by someone else meanwhile"


class TooLarge(Problem):
    status = 413
    type = "/problems/too-large"
    title = "Too large"


class Invalid(Problem):
    """Understood, but one or more fields do not hold; `errors` names them."""

    status = 422
    type = "/problems/invalid"
    title = "Invalid input"


class TooMany(Problem):
    """More requests than one identity may make."""

    status = 429
    type = "/problems/too-many"
    title = "Too many requests"


class Unavailable(Problem):
    """Something this service depends on is down; try again later."""

    status = 503
    type = "/problems/unavailable"
    title = "Temporarily unavailable"


class Fault(Problem):
    """A bug of ours. Nobody raises it; it is what every other exception is answered as."""

    status = 500
    type = "/problems/internal"
    title = "Internal error"


class CannotStart(Exception):
    """Why a command cannot run, in one line that says what to do."""

    def __init__(self, reason: str, /, **values: object) -> None:
        super().__init__(reason.format(**values) if values else reason)
        self.reason = reason
        self.values = values
