"""qa over HTTP, one file a subject."""

from services.qa.routes import audits, calibrations, checks, follow_ups, numbers, recordings, sampling, scorecards
from services.qa.routes.router import router

__all__ = [
    "audits",
    "calibrations",
    "checks",
    "follow_ups",
    "numbers",
    "recordings",
    "router",
    "sampling",
    "scorecards",
]
