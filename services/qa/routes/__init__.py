"""qa over HTTP, one file a subject."""

from services.qa.routes import audits, checks, follow_ups, numbers, recordings, sampling, scorecards
from services.qa.routes.router import router

__all__ = ["audits", "checks", "follow_ups", "numbers", "recordings", "router", "sampling", "scorecards"]
