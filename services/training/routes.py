"""training over HTTP."""

from shared.http import service_router

router = service_router("training")
