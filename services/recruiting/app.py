"""The recruiting service, as the composition root knows it."""

from pathlib import Path

from services.recruiting.access import ACCESS
from services.recruiting.policies import JOBS, POLICIES
from services.recruiting.routes import router
from services.recruiting.tables import metadata
from services.recruiting.watching import CHECKS, GAUGES
from shared.service import Service

service = Service(
    name="recruiting",
    router=router,
    access=ACCESS,
    metadata=metadata,
    policies=POLICIES,
    migrations=Path(__file__).parent / "migrations",
    jobs=JOBS,
    gauges=GAUGES,
    checks=CHECKS,
)
