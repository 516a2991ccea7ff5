"""recruiting over HTTP, one file a subject."""

from fastapi import APIRouter

from services.recruiting.routes import applications, employees, interviews, measures, personal, requisitions, steps

router = APIRouter()
for part in (steps, requisitions, applications, interviews, employees, measures, personal):
    router.routes.extend(part.router.routes)  # as in shared.run
