"""qa over HTTP, one file a subject."""

from services.qa.routes import audits, recordings, sampling, scorecards
from services.qa.routes.router import router

__all__ = ["audits", "recordings", "router", "sampling", "scorecards"]
