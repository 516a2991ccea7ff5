"""The qa service, as the composition root knows it."""

from pathlib import Path

from services.qa import watching
from services.qa.access import ACCESS
from services.qa.policies import JOBS, POLICIES
from services.qa.routes import router
from services.qa.tables import metadata
from shared.service import Service

service = Service(
    name="qa",
    router=router,
    access=ACCESS,
    metadata=metadata,
    policies=POLICIES,
    migrations=Path(__file__).parent / "migrations",
    jobs=JOBS + watching.JOBS,
    gauges=watching.GAUGES,
)
