"""What do the logs look like? One JSON object a line, with the trace it belongs to, and no personal data."""

import logging
import re
import sys
from typing import Any, TextIO

import structlog

from shared import tracing

_DETAIL = re.compile(r"^DETAIL: .*\n?", re.MULTILINE)
_SECRETS = re.compile(
    r"(?P<url>://[^\s:/@\"']*:)[^\s@/\"']+(?=@)"  # the password in an address
    r"|(?P<bearer>\bbearer\s+)[\w.~+/=-]+"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JWT, wherever it stands
    r"|(?P<named>(?:password|passwd|secret|_token|api_key)\W{0,3}[=:]\W{0,3})[^\s\"'\\,;&)}]+",
    re.IGNORECASE,
)


def _with_trace(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if trace := tracing.trace_id():
        event["trace_id"] = trace
    return event


def _without_details(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """PostgreSQL's DETAIL of an error repeats the row that it is about, people's names and all."""
    for name in ("exception", "error"):
        if isinstance(said := event.get(name), str):
            event[name] = _DETAIL.sub("", said)
    return event


def without_secrets(_: Any, __: str, line: Any) -> str:
    """The line as it is written, passwords and tokens struck out, whoever logged them."""
    return _SECRETS.sub(lambda found: f"{found['url'] or found['bearer'] or found['named'] or ''}***", str(line))


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send our logs, and those of the libraries, to `stream` (standard output unless told)."""
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _with_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_details,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
                without_secrets,
            ],
        )
    )
    logging.raiseExceptions = False  # on a full disk it would print a traceback for each line that it cannot write
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.access", "httpx", "httpcore", "sqlalchemy.engine"):
        logging.getLogger(noisy).setLevel("WARNING")
    logging.getLogger("aiokafka").setLevel("ERROR")
    for own in ("uvicorn", "uvicorn.error"):
        logging.getLogger(own).handlers[:] = []
        logging.getLogger(own).propagate = True
