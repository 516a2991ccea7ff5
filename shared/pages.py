"""How is a long list read in pages whose cost does not grow with the list?

By key, never by offset: a page starts behind the last row of the one before it.
"""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json
from sqlalchemy import ColumnElement, Select, tuple_

from shared.db import RowMapping, Tx
from shared.errors import BadRequest

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=500, description="How many at the most.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.")]


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None


async def page(
    tx: Tx,
    query: Select[Any],
    keys: Sequence[ColumnElement[Any]],
    shape: Callable[[RowMapping], T],
    *,
    limit: int,
    cursor: str | None,
    newest_first: bool = True,
) -> Page[T]:
    """The rows of `query` in the order of `keys`, which together are unique and have an index, from the cursor on.

    Each key must be among the columns of the query, under its own name. Raises `BadRequest` for a cursor that is none.
    """
    if cursor is not None:
        last = tuple_(*keys)
        behind = values_of(cursor, keys)
        query = query.where(last < behind if newest_first else last > behind)
    order = [key.desc() if newest_first else key.asc() for key in keys]
    rows = await tx.all(query.order_by(*order).limit(limit + 1))
    shown = rows[:limit]
    more = len(rows) > limit
    next_cursor = cursor_of([shown[-1][str(key.key)] for key in keys]) if more else None
    return Page(items=[shape(row) for row in shown], next_cursor=next_cursor)


def cursor_of(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(to_json(list(values))).decode().rstrip("=")


_readers: dict[type[Any], TypeAdapter[Any]] = {}  # making one takes longer than reading the page


def values_of(cursor: str, keys: Sequence[ColumnElement[Any]]) -> tuple[Any, ...]:
    try:
        texts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(texts, list) or len(texts) != len(keys):
            raise ValueError(cursor)
        kinds = [key.type.python_type for key in keys]
        readers = [_readers.get(kind) or _readers.setdefault(kind, TypeAdapter(kind)) for kind in kinds]
        return tuple(reader.validate_python(text) for reader, text in zip(readers, texts, strict=True))
    except (ValueError, RecursionError) as error:
        raise BadRequest("The cursor is not one that this list gave; start without a cursor.") from error
