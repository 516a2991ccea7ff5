"""qa over HTTP, one file a subject."""

from fastapi import APIRouter

from services.qa.routes import audits, recordings, sampling, scorecards

router = APIRouter()
for part in (recordings, scorecards, sampling, audits):
    router.include_router(part.router)
