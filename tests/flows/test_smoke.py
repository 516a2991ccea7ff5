from uuid import uuid4
from datetime import date
import pytest
from shared.contracts.recruiting import EmployeeStarted
from tests.world import World

@pytest.mark.parametrize("n", range(5))
async def test_people(world: World, n: int) -> None:
    await world.send(EmployeeStarted(employee_id=uuid4(), agent_id="a", department=None, role="agent", team=None, team_lead_id=None, mentor_id=None, date=date(2020,1,1)))
    assert len(await world.rows("qa", "select * from qa.employees")) == 1
