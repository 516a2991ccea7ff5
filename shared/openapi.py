"""What does the description of the API say about refusals? That each is a problem of RFC 9457, whatever the route.

FastAPI knows of 422 alone and describes it as its own would be. Here every problem of `shared.errors` is an answer of
every route that can give it.
"""

from typing import Any

from fastapi import FastAPI

from shared import errors
from shared.authorisation import Table
from shared.errors import Problem

MEDIA_TYPE = "application/problem+json"

_OF_ALL: tuple[type[Problem], ...] = (errors.BadRequest, errors.TooLarge, errors.Fault, errors.Unavailable)
_WITH_IDENTITY: tuple[type[Problem], ...] = (
    errors.Unauthenticated, errors.Forbidden, errors.NotFound, errors.Invalid, errors.TooMany,
)  # fmt: skip
_OF_CHANGES: tuple[type[Problem], ...] = (errors.IllegalState, errors.StaleVersion)

_SCHEMA = {
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457), in the language that was asked for.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Which kind; programs go by it."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do about it."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "errors": {
            "type": "array",
            "description": "What is wrong with which field.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "index": {"type": "integer", "description": "Which of a batch of events."},
                    "id": {"type": "string", "description": "The id of that event."},
                },
            },
        },
    },
}


class Application(FastAPI):
    """A FastAPI whose description knows our problems. `app.state.access` says which routes need an identity."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            _describe(super().openapi(), self.state.access)
        return super().openapi()


def _describe(schema: dict[str, Any], access: Table) -> None:
    parts = schema.setdefault("components", {})
    for frameworks_own in ("HTTPValidationError", "ValidationError"):
        parts.get("schemas", {}).pop(frameworks_own, None)
    parts.setdefault("schemas", {})["Problem"] = _SCHEMA
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    parts["responses"] = {
        kind.__name__: {"description": kind.title, "content": content}
        for kind in (*_OF_ALL, *_WITH_IDENTITY, *_OF_CHANGES)
    }
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            kinds = _OF_ALL
            if not access[method.upper(), path].open:
                kinds += _WITH_IDENTITY
            if method != "get":
                kinds += _OF_CHANGES
            operation["responses"] |= {
                str(kind.status): {"$ref": f"#/components/responses/{kind.__name__}"}
                for kind in sorted(kinds, key=lambda kind: kind.status)
            }
