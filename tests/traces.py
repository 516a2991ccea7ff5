"""A collector of traces, for tests: what did a service export, and how does it hang together?"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

ASKED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
"""A `traceparent` of somebody who wants a request traced."""
AUDIT_FAILS = [
    "qa: POST /qa/audits/{id}/submit",
    "  qa: publish qa.audit.failed.v1",
    "    performance: handle qa.audit.failed.v1",
    "      performance: publish performance.appraisal.updated.v1",
    "    recruiting: handle qa.audit.failed.v1",
    "    training: handle qa.audit.failed.v1",
    "      training: publish training.coaching.assigned.v1",
]
"""All hops of a failed audit, as docs/operations.md shows them."""


@dataclass
class Span:
    """As the collector got it."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    attributes: dict[str, Any]


class Collector:
    """OTLP over HTTP, as any collector speaks it."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                collector.take(self.rfile.read(int(self.headers["content-length"])))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            [service] = [it.value.string_value for it in resource.resource.attributes if it.key == "service.name"]
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                told = {it.key: it.value.string_value or it.value.int_value for it in span.attributes}
                ids = [it.hex() for it in (span.trace_id, span.span_id, span.parent_span_id)]
                self.spans.append(Span(service, span.name, *ids, span.kind, span.status.code == 2, told))

    def hops(self, parent: str, depth: int = 0) -> list[str]:
        """The tree below a span, indented, brothers in order of their names."""
        found = []
        for span in sorted((s for s in self.spans if s.parent == parent), key=lambda s: (s.service, s.name)):
            found += [f"{'  ' * depth}{span.service}: {span.name}", *self.hops(span.id, depth + 1)]
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """One that listens on loopback."""
    it = Collector()
    thread = threading.Thread(target=it.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield it
    finally:
        it.server.shutdown()
        it.server.server_close()
        thread.join()
