"""The performance service, as the composition root knows it."""

from pathlib import Path

from services.performance.access import ACCESS
from services.performance.policies import JOBS, POLICIES
from services.performance.routes import router
from services.performance.tables import metadata
from services.performance.watching import CHECKS
from shared.service import Service

service = Service(
    name="performance",
    router=router,
    access=ACCESS,
    metadata=metadata,
    policies=POLICIES,
    migrations=Path(__file__).parent / "migrations",
    jobs=JOBS,
    checks=CHECKS,
)
