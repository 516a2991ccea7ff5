"""Is a log one JSON object a line, in its trace, and silent about people?"""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared import logs, tracing


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    before, handlers, level = structlog.get_config(), logging.getLogger().handlers[:], logging.getLogger().level
    stream = io.StringIO()
    logs.configure("info", stream)
    yield stream
    structlog.configure(**before)
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def lines(written: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_one_object_a_line_with_its_trace(written: io.StringIO) -> None:
    token = tracing.current.set("00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    structlog.get_logger("headset").info("something_happened", service="qa", note="多\n行")
    tracing.current.reset(token)
    logging.getLogger("some.library").warning("said %s", "this")
    first, second = lines(written)
    assert first["event"] == "something_happened"
    assert first["trace_id"] == "a" * 32
    assert (first["level"], first["note"]) == ("info", "多\n行")
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["logger"], second["level"]) == ("said this", "some.library", "warning")
    assert "trace_id" not in second


def test_the_level_is_kept(written: io.StringIO) -> None:
    structlog.get_logger("headset").debug("too_much")
    logging.getLogger("aiokafka.consumer").warning("too much as well")
    assert lines(written) == []


def test_what_postgresql_repeats_of_a_row_is_left_out(written: io.StringIO) -> None:
    said = "null value in column\nDETAIL:  Failing row contains (7, Zhang San, 139).\nHINT:  none"
    try:
        raise ValueError(said)
    except ValueError as error:
        structlog.get_logger("headset").error("request_failed", exc_info=error)
        structlog.get_logger("headset").warning("job_failed", error=f"{error}")
    text = written.getvalue()
    assert "Zhang" not in text
    assert "null value in column" in text
    assert "HINT" in text
    assert len(lines(written)) == 2
