"""What do all services do alike over HTTP?

A request is one transaction, committed before the answer leaves. Around it stand, as plain ASGI middleware: the trace
and the measuring of each request, the limit on bodies, and identity. Failures are RFC 9457 problems in the reader's
language.
"""

import hashlib
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Annotated, Any, ClassVar

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import metrics, reads, spans, tracing
from shared.authorisation import OPEN_PATHS, Table, admitted
from shared.db import Database, Tx
from shared.delivery import is_outage
from shared.direct import text
from shared.errors import (
    BadRequest,
    Fault,
    FieldError,
    IllegalState,
    Invalid,
    NotAllowed,
    NotFound,
    Problem,
    StaleVersion,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from shared.fields import Said, in_language
from shared.i18n import preferred, say
from shared.identity import Verifier, principal_of
from shared.limits import Limits
from shared.openapi import MEDIA_TYPE
from shared.settings import Settings

log = structlog.get_logger(__name__)

LARGEST_REQUEST = 1024 * 1024
Handler = Callable[[Request], Awaitable[Response]]


class GuardedRoute(APIRoute):
    """A route that lets in whom its line in the table of authorisation names."""

    def admit(self, request: Request) -> bool:
        """Raise `Forbidden`, or note with whose data this may be done; whether the reading is to be written down."""
        lines: Table = request.app.state.access
        line = lines[request.method, self.path]
        if line.open:
            return False
        principal = request.state.principal = admitted(request.state.principal, line)
        return line.personal and principal.sees != "own"

    def get_route_handler(self) -> Callable[[Request], Any]:
        inner: Handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            self.admit(request)
            return await inner(request)

        return handle


class TransactionalRoute(GuardedRoute):
    """A route whose request runs in one transaction of its service.

    A POST with an `Idempotency-Key` is answered once: the first answer is stored in the same transaction.
    """

    service: ClassVar[str]

    async def database(self, request: Request) -> Database:
        """Where the transaction of this request takes place."""
        db: Database = request.app.state.databases[self.service]
        return db

    def get_route_handler(self) -> Callable[[Request], Any]:
        inner: Handler = APIRoute.get_route_handler(self)

        async def handle(request: Request) -> Response:
            noted = self.admit(request)
            await request.body()  # before a connection is taken: whoever sends slowly must not hold one
            db = await self.database(request)
            key = request.headers.get("idempotency-key") if request.method == "POST" else None
            async with db.transaction() as tx:
                request.state.tx = tx
                if key is None:
                    response = await inner(request)
                    if noted:
                        await reads.note(tx, principal_of(request).sub, self.path, request, response)
                    return response
                if not 1 <= len(key) <= 200 or not key.isprintable():
                    raise BadRequest("Idempotency-Key must be 1 to 200 printable characters.")
                return await _once(tx, key, request, inner)

        return handle


def service_router(name: str) -> APIRouter:
    """A router for the routes of this service, below its name."""
    route_class = type(f"{name.title()}Route", (TransactionalRoute,), {"service": name})
    return APIRouter(prefix=f"/{name}", tags=[name], route_class=route_class)


async def tx_of(request: Request) -> Tx:
    tx: Tx = request.state.tx
    return tx


CurrentTx = Annotated[Tx, Depends(tx_of)]
"""The transaction that the request runs in."""


async def _once(tx: Tx, key: str, request: Request, inner: Handler) -> Response:
    principal = principal_of(request).sub
    digest = hashlib.sha256(f"{request.method} {request.scope['path']}?".encode() + request.scope["query_string"])
    for name, value in sorted(request.headers.items()):
        if name == "content-type" or name.startswith("ce-"):  # what an event in binary mode consists of
            digest.update(f"\n{name}: {value}".encode())
    digest.update(b"\n" + await request.body())
    who = {"principal": principal, "key": key}
    mine = await tx.scalar(
        text(f"""
        INSERT INTO {tx.schema}.idempotency_keys (principal, key, request) VALUES (:principal, :key, :digest)
        ON CONFLICT DO NOTHING RETURNING true
        """),
        {**who, "digest": digest.digest()},
    )
    if not mine:  # a request under way with the same key has been waited for
        first = await tx.first(
            text(f"""
            SELECT request, status, headers, body FROM {tx.schema}.idempotency_keys
            WHERE principal = :principal AND key = :key
            """),
            who,
        )
        assert first is not None
        if first["request"] != digest.digest():
            raise Invalid("This Idempotency-Key was used for another request; take a new key.")
        return Response(first["body"], first["status"], dict(first["headers"]))
    response = await inner(request)
    await tx.run(
        text(f"""
        UPDATE {tx.schema}.idempotency_keys SET status = :status, headers = CAST(:headers AS json), body = :body
        WHERE principal = :principal AND key = :key
        """),
        {
            **who,
            "status": response.status_code,
            "headers": json.dumps({k: v for k, v in response.headers.items() if k != "content-length"}),
            "body": bytes(response.body),
        },
    )
    return response


def tag(response: Response, version: int) -> None:
    """Give the answer the `ETag` of this version."""
    response.headers["ETag"] = f'"{version}"'


def check_match(request: Request, version: int) -> None:
    """Raise `StaleVersion` if the request asks for another version by `If-Match`."""
    wanted = request.headers.get("if-match")
    if wanted is None:
        return
    if {"*", f'"{version}"', f'W/"{version}"'}.isdisjoint(tag.strip() for tag in wanted.split(",")):
        raise StaleVersion("You hold version {yours}, it is now {now}: read it again.", yours=wanted, now=version)


class _ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False).encode(errors="replace")  # fields may be named by anything


_RETRY_AFTER = {429: "1", 503: "5"}
"""Seconds; a bucket of requests has room again within one."""


def problem_response(problem: Problem, language: str, path: str) -> Response:
    body: dict[str, Any] = {
        "type": problem.type,
        "title": say(language, problem.title),
        "status": problem.status,
        "detail": say(language, problem.detail, **problem.values),
        "instance": path,
    }
    if problem.errors:
        body["errors"] = in_language(problem.errors, language)
    headers = {"Content-Language": language, **problem.headers}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if after := _RETRY_AFTER.get(problem.status):
        headers["Retry-After"] = after
    return _ProblemResponse(body, problem.status, headers)


async def _answer(request: Request, error: Exception) -> Response:
    settings: Settings = request.app.state.settings
    language = preferred(request.headers.get("accept-language"), settings.language)
    return problem_response(_as_problem(error, request), language, request.scope["path"])


def _as_problem(error: Exception, request: Request) -> Problem:
    match error:
        case Problem():
            return error
        case RequestValidationError():
            wrong: list[FieldError] = [
                {"field": ".".join(map(str, e["loc"][1:])) or str(e["loc"][0]), "message": Said.of(e)}
                for e in error.errors()
            ]
            if any(e["type"] == "json_invalid" for e in error.errors()):
                return BadRequest("The body is not valid JSON.", errors=wrong)
            if wrong[0]["field"] == "body" and "json" not in request.headers.get("content-type", "json"):
                return BadRequest("Say that the body is JSON: Content-Type: application/json.", errors=wrong)
            return Invalid("Some fields are not valid; see errors.", errors=wrong)
        case HTTPException():
            return _refused(error, request)
        case ClientDisconnect():
            return BadRequest("The request ended before it was complete.")
        case _ if is_outage(error):
            log.warning("dependency_down", error=f"{type(error).__name__}: {error}"[:300])
            return Unavailable("The database cannot be reached at the moment. Try again in some seconds.")
        case DBAPIError():
            state = getattr(error.orig, "sqlstate", None) or ""
            if state.startswith("22"):
                return Invalid("A value cannot be stored: it is out of range or has characters that cannot be kept.")
            if state == "23505":
                log.warning("made_twice_at_once", exc_info=error)
                return IllegalState("The same was made by another request at the same moment; read it and try again.")
    log.error("request_failed", exc_info=error)
    return Fault("This is a fault of ours; nothing was changed. It has been logged.")


class _Plain(Problem):
    """What else the framework refuses."""

    type = "about:blank"

    def __init__(self, error: HTTPException) -> None:
        super().__init__(str(error.detail))
        self.status = error.status_code  # type: ignore[misc]
        self.title = HTTPStatus(error.status_code).phrase  # type: ignore[misc]


def _refused(error: HTTPException, request: Request) -> Problem:
    """What the framework refuses: no such path, no such method."""
    problem: Problem
    if error.status_code == 404:
        problem = NotFound("There is nothing at {path}; /docs lists what there is.", path=request.scope["path"])
    elif error.status_code == 405:
        problem = NotAllowed(
            "{path} does not take {method}; /docs lists what it takes.",
            path=request.scope["path"], method=request.method,
        )  # fmt: skip
    else:
        problem = _Plain(error)
    problem.headers = error.headers or {}
    return problem


def add_problem_handlers(app: FastAPI) -> None:
    """Those that FastAPI would answer in its own way; `Observed` answers all others."""
    for kind in (RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _answer)


_SAFE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),  # most of what we answer is about people
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
# Swagger's page brings its script and its style along from where FastAPI says.
_DOCS_POLICY = (
    b"default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; style-src https://cdn.jsdelivr.net; "
    b"img-src data: https://fastapi.tiangolo.com; connect-src 'self'; frame-ancestors 'none'"
)
_DOCS_HEADERS = [*_SAFE_HEADERS[:-1], (b"content-security-policy", _DOCS_POLICY)]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observed:
    """Outermost: puts the request into a trace, measures it, and answers failures as problems."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status: int | None = None
        given = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"traceparent"), None)
        span = None
        if (path := scope["path"]) not in OPEN_PATHS:
            span = spans.begin(path.strip("/").partition("/")[0], scope["method"], "SERVER", given)
        token = tracing.current.set(span.traceparent if span else tracing.child_of(given))

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                safe = _DOCS_HEADERS if scope["path"] == "/docs" else _SAFE_HEADERS
                message = {**message, "headers": [*message["headers"], *safe]}
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if status is not None:
                raise
            response = await _answer(Request(scope), error)
            await response(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            seconds = time.perf_counter() - began
            metrics.HTTP_SECONDS.labels(method, route, str(status)).observe(seconds)
            if span:
                span.name(f"{method} {route}")
                span.end(
                    None if status and status < 500 else str(status),
                    **{"http.request.method": method, "http.route": route, "http.response.status_code": status or 0},
                )
            log.debug("request", method=method, route=route, status=status, seconds=round(seconds, 4))
            tracing.current.reset(token)


class Guarded:
    """Lets in only requests with a valid identity, not too many of them, and a body that is not too large."""

    def __init__(self, app: ASGIApp, verifier: Verifier, limits: Limits | None = None) -> None:
        self.app = app
        self._verifier = verifier
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if scope["path"] not in OPEN_PATHS:
            state: MutableMapping[str, Any] = scope.setdefault("state", {})
            principal = state["principal"] = await self._verifier.principal(_bearer(headers.get(b"authorization")))
            if self._limits is not None:
                self._limits.take(principal.sub)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise BadRequest("The header Content-Length must be a number.")
        if len(length) > 15 or int(length) > LARGEST_REQUEST:
            raise _too_large()
        await self.app(scope, _limited(receive), send)


def _too_large() -> TooLarge:
    return TooLarge("The request has more than {most} bytes; send it in parts.", most=LARGEST_REQUEST)


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_REQUEST:
            raise _too_large()
        return message

    return limited


def _bearer(header: bytes | None) -> str:
    scheme, _, token = (header or b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send a token in the header 'Authorization: Bearer …'.")
    return token.strip()


def with_middleware(app: FastAPI, settings: Settings) -> None:
    limits = Limits(settings.rate_limit) if settings.rate_limit else None
    app.add_middleware(Guarded, verifier=Verifier(settings), limits=limits)
    app.add_middleware(Observed)
