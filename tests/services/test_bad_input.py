"""Can anything that is sent over HTTP make a fault of ours?

schemathesis makes requests for every route out of the OpenAPI description, right ones and wrong ones; HEADSET_FUZZ sets
how many of each a route gets (`make fuzz` takes many). They go to the demo centre, so that there is something to find.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from rich.console import Console
from schemathesis import GenerationMode

from services.demo import Api, _seed
from tests.world import World

EXAMPLES = int(os.environ.get("HEADSET_FUZZ", "1"))
SEED = int(os.environ.get("HEADSET_FUZZ_SEED", "20081"))
# What a generator of strings seldom finds: what ends strings, statements, paths, headers, numbers and characters.
NASTY = (
    "' OR 1=1 --", '"; DROP TABLE qa.audits; --', "%00", "\0", "..%2f..%2fetc%2fpasswd", "../../etc/passwd",
    "\r\nX-Evil: 1", "%0d%0aSet-Cookie:%20a=b", "{{7*7}}", "${jndi:ldap://x}", "=1+1", "\ud800", "😀" * 300,
    "a" * 20_000, "1e999", "NaN", "-1", "0", "99999999999999999999", "9999-12-31", "0001-01-01", "2026-02-30",
    "9999-12-31T23:59:59-12:00", "null", "[]", "%", "_", "\\", "[", "(?i",
)  # fmt: skip


def cases(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Route and request, the same ones for the same seed."""
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            made: list[Any] = []

            @seed(SEED)
            @settings(
                max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(operation.as_strategy(generation_mode=mode))
            def gather(case: Any) -> None:
                made.append(case)  # noqa: B023  called before the next round

            with suppress(Unsatisfiable):  # a route that takes nothing has no wrong requests
                gather()
            for case in made:
                yield f"{operation.method.upper()} {operation.path}", case


async def ids_of(admin: httpx.AsyncClient, paths: list[str]) -> dict[str, list[str]]:
    """Of each collection, ids that exist."""
    found: dict[str, list[str]] = {}
    for path in paths:
        answer = await admin.get(path, params={"limit": 5})
        if answer.status_code == 200 and "json" in answer.headers["content-type"]:
            body = answer.json()
            items = body.get("items", []) if isinstance(body, dict) else []
            found[path] = [item["id"] for item in items if "id" in item]
    return found


def spoilt(value: Any, chance: random.Random) -> Any:
    """The same with one thing in it replaced by something nasty, or by something of another kind."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(list(value))
        return {**value, name: spoilt(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return [*value[:place], spoilt(value[place], chance), *value[place + 1 :]]
    others: tuple[Any, ...] = (None, True, -1, 10**30, 1e308, [], {}, [[]] * 3, {"": None}, deep(200))
    return chance.choice((*NASTY, *others))


def deep(levels: int) -> Any:
    return [deep(levels - 1)] if levels else 0


def filled(path: str, params: dict[str, Any]) -> str:
    for name, value in params.items():
        path = path.replace(f"{{{name}}}", quote(str(value).encode(errors="surrogatepass"), safe=""))
    return path


def test_every_route_says_how_it_refuses(world: World) -> None:
    described = world.app.openapi()
    problem = described["components"]["schemas"]["Problem"]
    jsonschema.Draft202012Validator.check_schema(problem)
    assert "HTTPValidationError" not in json.dumps(described)
    operations = [(path, way, it) for path, ways in described["paths"].items() for way, it in ways.items()]
    assert len(operations) > 200
    for path, way, operation in operations:
        refusals = {code: it for code, it in operation["responses"].items() if not code.startswith("2")}
        expected = {"400", "413", "500", "503"}
        if not path.startswith("/health/"):
            expected |= {"401", "403", "404", "422", "429"}
        if way != "get":
            expected |= {"409", "412"}
        assert set(refusals) == expected, (way, path)
        for refusal in refusals.values():
            answer = described["components"]["responses"][refusal["$ref"].rpartition("/")[2]]
            assert answer["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }


async def test_every_route_takes_anything(world: World, tmp_path: Path) -> None:
    """No answer is a fault, each is one that the description has, and each refusal is a problem."""
    chance = random.Random(SEED)
    admin = world.as_("admin", sub="0198c0de-0000-7000-8000-00000000abcd")
    world.now = datetime.now(UTC)  # the demo centre lies about today
    await world.runtime.start()
    centre = world.settings.model_copy(update={"data": tmp_path})
    await _seed(Api(world.as_(), centre), centre, {}, Console(quiet=True))
    schema = schemathesis.openapi.from_dict(world.app.openapi())
    described = world.app.openapi()
    problem = jsonschema.Draft202012Validator(described["components"]["schemas"]["Problem"])
    lists = [path for path in described["paths"] if "{" not in path]
    known = await ids_of(admin, lists)
    wrong: list[Any] = []
    codes: Counter[int] = Counter()

    async def send(route: str, method: str, url: str, **request: Any) -> None:
        answer = await admin.request(method, url, **request)
        codes[answer.status_code] += 1
        known_codes = described["paths"][route.partition(" ")[2]][method.lower()]["responses"]
        bad = answer.status_code >= 500
        # A path that was spoilt may lead to where there is no such method.
        bad |= str(answer.status_code) not in known_codes and answer.status_code != 405
        bad |= not {"x-evil", "set-cookie"}.isdisjoint(answer.headers)
        if answer.status_code >= 400:
            bad |= answer.headers["content-type"] != "application/problem+json" or not problem.is_valid(answer.json())
        if bad:
            wrong.append((route, url[:200], answer.status_code, str(request)[:1000], answer.text[:200]))

    for route, case in cases(schema):
        given_ = case.as_transport_kwargs(base_url="http://test")
        method, params = given_["method"], dict(given_["params"] or {})
        there = known.get(case.operation.path.partition("/{")[0], [])
        path = dict(case.path_parameters or {})
        if there and chance.random() < 0.8 and "id" in path:
            path["id"] = chance.choice(there)
        headers = {
            k: v for k, v in given_["headers"].items() if k.lower() in ("content-type", "accept-language", "if-match")
        }
        body = (
            {"json": given_["json"]} if "json" in given_ else {"content": given_["data"]} if given_.get("data") else {}
        )
        for _ in range(3):
            await send(route, method, filled(case.operation.path, path), params=params, headers=headers, **body)
            what = chance.choice(
                [name for name, it in (("path", path), ("params", params), ("body", body)) if it] or [""]
            )
            if what == "path":
                path = {**path, chance.choice(list(path)): chance.choice(NASTY)}
            elif what == "params":
                params = {**params, chance.choice(list(params)): chance.choice(NASTY).encode(errors="replace")}
            elif "json" in body:
                raw = json.dumps(spoilt(given_["json"], chance)).replace('"NaN"', "NaN").replace('"1e999"', "1e999")
                body = {"content": raw.encode()}
                headers = {**headers, "Content-Type": "application/json"}
    print(sorted(codes.items()))
    assert wrong == []
    assert await world.rows("qa", "SELECT 1 FROM qa.audits")  # nobody dropped it
