"""Which appraisals does this transaction change? They are locked, so that their ledgers grow one line after another."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from services.performance.domain.chain import Head
from services.performance.domain.templates import Template
from shared.db import RowMapping, Tx
from shared.direct import text


@lru_cache(maxsize=200)
def template_told(told: str) -> Template:
    """The rules in this JSON."""
    return Template.model_validate_json(told)


def template_of(row: RowMapping) -> Template:
    """The rules in a row that has them as JSON."""
    return template_told(json.dumps(row["template"]))


@dataclass(slots=True)
class Held:
    """An appraisal that this transaction has locked."""

    id: UUID
    employee_id: UUID
    cycle_id: UUID
    code: str
    kind: str
    template: Template
    status: str
    finalised_at: datetime | None
    revision: int
    head: Head

    @property
    def closed(self) -> bool:
        return self.finalised_at is not None

    def takes(self, told_at: datetime | None) -> bool:
        """Whether news told at this time still counts for this appraisal, or for the one that corrects it."""
        if self.finalised_at is None:
            return True
        if self.template.corrections == "ignore":
            return told_at is not None and told_at <= self.finalised_at
        days = self.template.corrections_within_days
        return days is None or told_at is None or told_at <= self.finalised_at + timedelta(days=days)


_HELD = """
SELECT appraisal.id, appraisal.employee_id, appraisal.cycle_id, cycle.code, cycle.kind,
       cycle.template::text AS template, appraisal.status, appraisal.finalised_at, appraisal.revision,
       appraisal.ledger_length, appraisal.ledger_head
FROM performance.appraisals appraisal JOIN performance.cycles cycle ON cycle.id = appraisal.cycle_id
"""


async def hold(tx: Tx, where: str, **values: Any) -> dict[UUID, Held]:
    """Lock the appraisals (`appraisal`, with `cycle`) for which this holds."""
    query = text(f"{_HELD} WHERE {where} ORDER BY appraisal.cycle_id, appraisal.id FOR UPDATE OF appraisal")
    return {row["id"]: _held(row) for row in await tx.all(query, values)}


def _held(row: RowMapping) -> Held:
    return Held(
        row["id"], row["employee_id"], row["cycle_id"], row["code"], row["kind"], template_told(row["template"]),
        row["status"], row["finalised_at"], row["revision"], Head(row["ledger_length"], row["ledger_head"]),
    )  # fmt: skip
