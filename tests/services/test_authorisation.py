"""Is the table of authorisation what every service does?"""

import re

import httpx
import pytest

from services.all import SERVICES
from shared.authorisation import OF_ALL, check_complete, endpoints, table
from shared.settings import ROLES
from tests.world import World

LINES = {**OF_ALL, **{at: line for service in SERVICES for at, line in service.access.items()}}
SOMETHING = "00000000-0000-7000-8000-000000000000"


async def test_every_route_and_every_role(world: World) -> None:
    """Everybody and nobody asks everything: who has no line is refused before anything is looked at, who has one is not
    refused for what they are."""
    assert set(endpoints(world.app.routes)) == set(LINES)
    nobody, without = world.as_(), world.as_("nothing")  # type: ignore[arg-type]
    asking = {role: world.as_(role, sub=SOMETHING) for role in ROLES}
    wrong = []
    for (method, path), line in LINES.items():
        body: dict[str, object] | None = None if method == "GET" else {}
        where = re.sub(r"{\w+}", SOMETHING, path)
        answers: dict[str, httpx.Response] = {"": await nobody.request(method, where, json=body)}
        answers["nothing"] = await without.request(method, where, json=body)
        for role, client in asking.items():
            answers[role] = await client.request(method, where, json=body)
        for who, answer in answers.items():
            may = line.open or (who and line.whose(frozenset({who})))
            refused = answer.status_code == (403 if who else 401)
            if refused == bool(may) or answer.status_code >= 500:
                wrong.append((method, path, who, answer.status_code, answer.text[:200]))
    assert wrong == []


def test_the_widest_role_counts() -> None:
    [line] = table("/x", "GET /y  team_lead:team agent:own some", some="hr service").values()
    assert line.whose(frozenset({"agent"})) == "own"
    assert line.whose(frozenset({"agent", "team_lead"})) == "team"
    assert line.whose(frozenset({"agent", "hr"})) == line.whose(frozenset({"admin"})) == "all"
    assert line.whose(frozenset({"auditor"})) is line.whose(frozenset()) is None


@pytest.mark.parametrize("lines", ["GET /a boss", "GET /a agent:some", "GET /a", "GET /a agent\nGET /a hr"])
def test_a_line_that_says_nothing_clear_is_refused(lines: str) -> None:
    with pytest.raises(ValueError, match="/a"):
        table("", lines)


async def test_an_application_with_a_route_that_has_no_line_does_not_start(world: World) -> None:
    with pytest.raises(RuntimeError, match="GET /qa/audits"):
        check_complete(OF_ALL, world.app.routes)
