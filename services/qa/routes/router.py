"""The one router that all routes of qa stand on: a request looks through each router on its way, so there is one."""

from shared.http import service_router

router = service_router("qa")
