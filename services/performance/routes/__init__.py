"""Performance over HTTP, by subject."""

from fastapi import APIRouter

from services.performance.routes import appraisals, cycles, indicators

router = APIRouter()
for _part in (indicators, cycles, appraisals):
    router.include_router(_part.router)
