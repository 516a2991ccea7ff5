"""qa over HTTP, one file a subject."""

from services.qa.routes import audits, calibrations, follow_ups, numbers, recordings, sampling, scorecards
from services.qa.routes.router import router

__all__ = ["audits", "calibrations", "follow_ups", "numbers", "recordings", "router", "sampling", "scorecards"]
