"""Performance over HTTP, by subject."""

from fastapi import APIRouter

from services.performance.routes import appeals, appraisals, cycles, indicators, life, weightings

router = APIRouter()
for _part in (indicators, cycles, appraisals, life, appeals, weightings):
    router.routes.extend(_part.router.routes)  # as in shared.run
