"""How are rows of any table added, held, changed and recorded?"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic_core import to_json, to_jsonable_python
from sqlalchemy import Table, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from services.training.tables.base import records, reminders
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.errors import NotFound
from shared.ids import new_id


async def add_all(
    tx: Tx, table: str, rows: Sequence[Mapping[str, Any]], *, conflict: str = "", returning: str = ""
) -> Sequence[RowMapping]:
    """Insert rows that all have the same columns with one statement, whatever their number.

    `conflict`: what follows `ON CONFLICT`, where `known` are the rows that were there. The rows travel as
    JSON, for arrays of arrays have no other way.
    """
    if not rows:
        return []
    columns = ", ".join(f'"{name}"' for name in rows[0])
    statement = f"""
        INSERT INTO {tx.schema}.{table} AS known ({columns})
        SELECT {columns} FROM jsonb_populate_recordset(NULL::{tx.schema}.{table}, CAST(:rows AS jsonb))
        {f"ON CONFLICT {conflict}" if conflict else ""} {f"RETURNING {returning}" if returning else ""}
    """
    return await tx.all(text(statement), {"rows": to_json(rows).decode()})


async def find(tx: Tx, table: Table, id: UUID, *, hold: bool = False) -> RowMapping:
    """The row with this id; with `hold`, locked until the transaction ends. Raises `NotFound`."""
    query = select(table).where(table.c.id == id)
    row = await tx.first(query.with_for_update() if hold else query)
    if row is None:
        raise missing(id)
    return row


def missing(id: object) -> NotFound:
    return NotFound("Nothing here has the id {id}, or you may not see it.", id=id)


async def add(tx: Tx, table: Table, actor: str, /, **values: Any) -> RowMapping:
    """Insert one row under a new id, unless given, and record it."""
    values = {"id": new_id(), **values}
    row = await tx.first(insert(table).values(values).returning(table))
    assert row is not None
    await record(tx, values["id"], actor, "created", {k: v for k, v in values.items() if k != "id"})
    return row


async def change(tx: Tx, table: Table, id: UUID, actor: str, action: str, /, **values: Any) -> RowMapping:
    """Change one row, under the next version, and record it."""
    row = await tx.first(
        update(table).where(table.c.id == id).values(version=table.c.version + 1, **values).returning(table)
    )
    assert row is not None
    await record(tx, id, actor, action, values)
    return row


async def record(tx: Tx, subject_id: UUID, actor: str, action: str, details: Mapping[str, Any]) -> None:
    """Remember who did what, for ever."""
    entry = {"subject_id": subject_id, "at": tx.now, "actor": actor, "action": action}
    await tx.run(insert(records), {**entry, "details": to_jsonable_python(details)})


async def history(tx: Tx, subject_id: UUID) -> Sequence[RowMapping]:
    return await tx.all(select(records).where(records.c.subject_id == subject_id).order_by(records.c.id))


async def remind(tx: Tx, **reminder: Any) -> bool:
    """Remind once of one thing at one distance; False if that was done before."""
    made = upsert(reminders).values(id=new_id(), at=tx.now, **reminder).on_conflict_do_nothing()
    return await tx.scalar(made.returning(reminders.c.id)) is not None
