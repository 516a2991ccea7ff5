"""Which pieces of work does a collector of traces hear of? Requests, letters published, letters handled.

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set: then its SDK is not imported, and a batch costs one look
at a variable. On, each piece is a span; the `traceparent` that a letter carries is that of the span which published
it, so that one trace leads from a request through every service to its last effect. Names and attributes follow the
semantic conventions of OpenTelemetry for HTTP, messaging and CloudEvents. Of errors only the kind is told, for what
they say may hold what people wrote.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from shared import tracing
from shared.events import Letter
from shared.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan

Kind = Literal["SERVER", "PRODUCER", "CONSUMER"]
Value = str | int | float | bool
US = "headset"
"""In whose name work is done that is no service's own."""


class Span:
    """One piece of work under way."""

    def __init__(self, span: "OtelSpan") -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def end(self, error: str | None = None, **attributes: Value) -> None:
        """`error`: what kind of failure it ended in."""
        if error is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_status(StatusCode.ERROR)
            attributes["error.type"] = error
        self._span.set_attributes(attributes)
        self._span.end()


class _Sender:
    """Makes spans, each in the name of its service, and sends them in the background."""

    def __init__(self, endpoint: str, services: Iterable[str]) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
        self._processor = BatchSpanProcessor(exporter)
        self._providers = {name: self._provider(name) for name in (*services, US)}

    def begin(
        self, service: str, name: str, kind: Kind, parent: str | None, attributes: dict[str, Value] | None
    ) -> Span:
        from opentelemetry.context import Context
        from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

        context = Context()
        if parent is not None:
            ids = SpanContext(int(parent[3:35], 16), int(parent[36:52], 16), True, TraceFlags(int(parent[53:55], 16)))
            context = set_span_in_context(NonRecordingSpan(ids), context)
        provider = self._providers.get(service) or self._providers[US]
        return Span(provider.get_tracer("headset").start_span(name, context, SpanKind[kind], attributes))

    def _provider(self, service: str) -> "TracerProvider":
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        resource = Resource.create({"service.name": service, "service.namespace": "headset"})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        return provider

    def close(self) -> None:
        self._processor.shutdown()  # type: ignore[no-untyped-call]


_sender: _Sender | None = None


def switch_on(settings: Settings, services: Iterable[str]) -> None:
    """From now on, if the settings say where to, in the names of these services."""
    global _sender
    if settings.traces is not None and _sender is None:
        _sender = _Sender(settings.traces, services)
        tracing.exported = True


async def switch_off() -> None:
    """Send what is left, and no more."""
    global _sender
    sender, _sender, tracing.exported = _sender, None, False
    if sender is not None:
        await asyncio.to_thread(sender.close)


def begin(service: str, name: str, kind: Kind, parent: str | None) -> Span | None:
    """A piece of work that `parent`, a `traceparent` as it came, has led to; None where traces are off."""
    return _sender.begin(service, name, kind, tracing.accepted(parent), None) if _sender else None


@contextmanager
def around(service: str, verb: Literal["publish", "handle"], letters: Sequence[Letter]) -> Iterator[Sequence[Letter]]:
    """A span for each of these letters, for as long as the block lasts; in it, the letters are of that span."""
    if _sender is None:
        yield letters
        return
    kind: Kind = "PRODUCER" if verb == "publish" else "CONSUMER"
    spans = [
        _sender.begin(
            service,
            f"{verb} {letter.type}",
            kind,
            tracing.accepted(letter.headers.get("traceparent")),
            {
                "messaging.operation.type": "send" if verb == "publish" else "process",
                "messaging.destination.name": letter.topic,
                "cloudevents.event_id": letter.id,
                "cloudevents.event_type": letter.type,
            },
        )
        for letter in letters
    ]
    error: str | None = None
    try:
        yield [
            letter._replace(headers={**letter.headers, "traceparent": span.traceparent})
            for letter, span in zip(letters, spans, strict=True)
        ]
    except BaseException as failure:
        error = type(failure).__name__
        raise
    finally:
        for span in spans:
            span.end(error)
