"""The training service, as the composition root knows it."""

from pathlib import Path

from services.training.access import ACCESS
from services.training.policies import JOBS, POLICIES
from services.training.routes import router
from services.training.tables import metadata
from services.training.watching import CHECKS, GAUGES
from shared.service import Service

service = Service(
    name="training",
    router=router,
    access=ACCESS,
    metadata=metadata,
    policies=POLICIES,
    migrations=Path(__file__).parent / "migrations",
    jobs=JOBS,
    gauges=GAUGES,
    checks=CHECKS,
)
