"""Is a log one JSON object a line, in its trace, and silent about people?"""

import io
import json
import logging
from collections.abc import Iterator

import jwt
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


@pytest.mark.parametrize(
    "told",
    [
        "cannot connect to postgresql+asyncpg://headset:hunter2@db.example.com:5432/headset?ssl=require",
        "Authorization: Bearer hunter2.abc-_~+/=",
        f"token {jwt.encode({'sub': 'hunter2'}, 'x' * 32)} refused",
        "connect(host='db', password='hunter2')",
        'sasl_plain_password="hunter2", retry',
        "client_secret=hunter2&grant_type=client_credentials",
        '{"access_token": "hunter2", "expires_in": 300}',
    ],
)
def test_passwords_and_tokens_are_struck_out(written: io.StringIO, told: str) -> None:
    try:
        raise RuntimeError(told)
    except RuntimeError:
        structlog.get_logger("headset").exception("it_failed", error=told, deep={"in": [told]})
    logging.getLogger("some.library").warning("said %s", told)
    text = written.getvalue()
    assert len(lines(written)) == 2
    assert "hunter2" not in text
    assert "eyJ" not in text


@pytest.mark.parametrize(
    "told", ["password authentication failed for user headset", "see https://example.com/a@b", "at 12:30"]
)
def test_what_is_no_secret_stays(written: io.StringIO, told: str) -> None:
    structlog.get_logger("headset").info("said", what=told)
    [line] = lines(written)
    assert line["what"] == told
