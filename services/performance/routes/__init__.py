"""Performance over HTTP, by subject."""

from fastapi import APIRouter

from services.performance.routes import appeals, appraisals, cycles, indicators, life, weightings

router = APIRouter()
for _part in (indicators, cycles, appraisals, life, appeals, weightings):
    router.include_router(_part.router)
