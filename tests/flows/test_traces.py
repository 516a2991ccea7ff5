"""Can one see, in a collector of traces, how a failed audit travels through the services?"""

import ast
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from shared import spans, tracing
from shared.settings import Settings
from tests.services.qa_help import answers, call, employee, good
from tests.services.test_training_coaching import failed
from tests.traces import ASKED, AUDIT_FAILS, Collector, collecting
from tests.world import World

ROOT = Path(__file__).parents[2]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as it:
        yield it


@pytest.fixture
async def traced(world: World, collector: Collector) -> AsyncIterator[World]:
    spans.switch_on(Settings(traces=collector.url), world.runtime.databases)
    yield world
    await spans.switch_off()


async def test_a_failed_audit_is_one_trace_through_all_services(traced: World, collector: Collector) -> None:
    world = traced
    cycle = {"code": "now", "kind": "quarterly", "from": "2026-01-01", "to": "2026-12-31"}
    good(await world.as_("manager").post("/performance/cycles", json=cycle), 201)
    await world.send(employee("diane"), call("c-1"))
    [recording] = good(await world.as_("admin").get("/qa/recordings"))["items"]
    ann = world.as_("auditor", sub="ann")
    audit = good(await ann.post("/qa/audits", json={"recording_id": recording["id"], "scorecard": "short"}), 201)["id"]
    good(await ann.put(f"/qa/audits/{audit}/answers", json=answers(resolution="no")))
    good(await ann.post(f"/qa/audits/{audit}/submit", headers={"traceparent": ASKED}))
    await world.settle()
    await spans.switch_off()

    assert collector.hops(ASKED[36:52]) == AUDIT_FAILS
    mine = [span for span in collector.spans if span.trace == ASKED[3:35]]
    assert len(mine) == 7
    assert not any(span.failed for span in mine)
    [request] = [span for span in mine if span.kind == 2]
    assert request.attributes["http.response.status_code"] == 200
    ids = {span.attributes["cloudevents.event_id"] for span in mine if span.name.endswith("qa.audit.failed.v1")}
    assert len(ids) == 1
    others = {span.name for span in collector.spans} - {span.name for span in mine}
    assert "GET /qa/recordings" in others


async def test_what_failed_is_told_by_its_kind_only(traced: World, collector: Collector) -> None:
    letter = traced.letter(failed(uuid4()))
    await traced.rows("training", "DROP TABLE training.audit_states CASCADE")
    await traced.deliver("training", letter._replace(headers={**letter.headers, "traceparent": ASKED}))
    await spans.switch_off()
    handled = [span for span in collector.spans if span.trace == ASKED[3:35]]
    assert len(handled) == 3  # attempts
    assert all(span.failed and span.attributes["error.type"] == "ProgrammingError" for span in handled)
    assert "audit_states" not in str(handled)


async def test_off_letters_have_spans_of_their_own(world: World) -> None:
    assert spans.begin("qa", "x", "SERVER", ASKED) is None
    letters = [world.letter(call("c-1"))]
    with spans.around("qa", "handle", letters) as given:
        assert given is letters
    assert tracing.handed_on(ASKED)[:36] == ASKED[:36]
    assert tracing.handed_on(ASKED)[36:52] != ASKED[36:52]


def test_off_the_sdk_is_not_loaded() -> None:
    for file in (ROOT / "shared").rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:  # what runs when the module is loaded
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.startswith("opentelemetry") for name in names), file
