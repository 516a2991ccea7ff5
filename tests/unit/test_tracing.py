"""Is work part of the trace that led to it?"""

import pytest

from shared import tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"  # the example of W3C Trace Context


def test_a_valid_header_is_taken_as_it_came() -> None:
    assert tracing.accepted(PARENT) == PARENT


@pytest.mark.parametrize(
    "wrong",
    [
        None, "", "x", PARENT + "\n", PARENT + "-x", PARENT.upper(), " " + PARENT, PARENT.replace("00-", "ff-", 1),
        "00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    ],
)  # fmt: skip
def test_anything_else_is_not(wrong: str | None) -> None:
    assert tracing.accepted(wrong) is None
    fresh = tracing.child_of(wrong)
    assert tracing.accepted(fresh) == fresh


def test_a_child_is_in_the_trace_of_its_parent_with_a_span_of_its_own() -> None:
    child = tracing.child_of(PARENT)
    assert child[:36] == PARENT[:36]
    assert child[36:52] != PARENT[36:52]
    assert child[-2:] == "01"


def test_without_a_parent_what_is_going_on_is_the_parent() -> None:
    assert tracing.trace_id() is None
    token = tracing.current.set(PARENT)
    assert tracing.child_of()[3:35] == PARENT[3:35] == tracing.trace_id()
    assert tracing.child_of(tracing.child_of(PARENT.replace("0af", "0ae")))[3:6] == "0ae"
    tracing.current.reset(token)
    assert tracing.child_of() != tracing.child_of()
