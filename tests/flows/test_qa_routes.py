"""Does QA answer whatever is sent to its routes, and as it describes itself? Schemathesis makes up the requests."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from shared.identity import sign
from tests.flows.served import served
from tests.services.qa_help import audited, call, hire, listed, tell
from tests.world import World

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


async def test_whatever_is_sent_is_answered(world: World, tmp_path: Path) -> None:
    await hire(world, "diane")
    await tell(world, call("c1"))
    [recording] = await listed(world.as_("auditor"), "/qa/recordings")
    await audited(world, recording["id"], resolution="no")
    token = sign(world.settings, "boss", "admin", valid=timedelta(days=3650))
    async with served(world) as url:
        running = await asyncio.create_subprocess_exec(
            SCHEMATHESIS, "run", f"{url}/openapi.json", "--include-path-regex", "^/qa/", "--phases", "fuzzing",
            "--max-examples", "2", "--seed", "4", "--request-timeout", "60", "--suppress-health-check", "all",
            "--generation-database", "none", "--checks", "not_a_server_error,response_schema_conformance",
            "-H", f"Authorization: Bearer {token}",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await running.communicate()
    assert running.returncode == 0, said.decode()[-4000:]
