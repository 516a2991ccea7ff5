"""What do experts think each thing is worth? Each service's own copy of the weightings that performance publishes.

A version never changes, so what comes twice or late changes nothing. Only where performance was put back to an earlier
day can a number be given a second time: then the later weighting holds, by its id. What was weighed before keeps the
weights that it was given.
"""

import json
from collections.abc import Collection
from decimal import Decimal

from sqlalchemy import Column, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared.contracts.performance import WeighedBy, WeightingPublished
from shared.db import Tx
from shared.delivery import Policies
from shared.direct import text
from shared.errors import Invalid


def weightings_table(metadata: MetaData) -> Table:
    """The table in the schema of `metadata`."""
    return Table(
        "weightings",
        metadata,
        Column("code", Text, primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("id", Uuid, nullable=False),
        Column("first", JSONB, nullable=False),
        Column("second", JSONB, nullable=False),
    )


WEIGHTINGS_DDL = """
CREATE TABLE {schema}.weightings (
    code text, version integer, id uuid NOT NULL, first jsonb NOT NULL, second jsonb NOT NULL,
    PRIMARY KEY (code, version)
);
"""
"""What a migration of each service that keeps the copy runs; later changes are migrations of their own."""


async def know_weighting(event: WeightingPublished, tx: Tx) -> None:
    """Keep what experts came to, for what is weighed here by this version."""
    told = event.model_dump(mode="json")
    await tx.run(
        text(f"""
        INSERT INTO {tx.schema}.weightings AS known (code, version, id, first, second)
        VALUES (:code, :version, :id, CAST(:first AS jsonb), CAST(:second AS jsonb))
        ON CONFLICT (code, version) DO UPDATE SET (id, first, second) = (excluded.id, excluded.first, excluded.second)
        WHERE known.id < excluded.id
        """),
        {
            "code": event.code, "version": event.version, "id": event.weighting_id,
            "first": json.dumps(told["first"]), "second": json.dumps(told["second"]),
        },
    )  # fmt: skip


async def weights_of(tx: Tx, by: WeighedBy, keys: Collection[str]) -> dict[str, Decimal]:
    """The percentages of these keys, adding up to 100: they have to be one level of the weighting, and all of it.

    What weighs so little that it rounds to 0 is on no level. Raises `Invalid` for a weighting that is not known here,
    or is of other things.
    """
    row = await tx.first(
        text(f"SELECT first, second FROM {tx.schema}.weightings WHERE code = :code AND version = :version"),
        by.model_dump(),
    )
    if row is None:
        raise Invalid(
            "No weighting {code}, version {version}, is known here. GET /performance/weightings lists those that "
            "experts have judged; a new one takes a moment to come.",
            code=by.code, version=by.version, errors=[{"field": "weighed_by", "message": f"{by.code}, {by.version}"}],
        )  # fmt: skip
    levels = [
        {key: Decimal(str(weight)) for key, weight in row[name].items() if weight} for name in ("first", "second")
    ]
    level = min(levels, key=lambda level: len(level.keys() ^ set(keys)))
    if level.keys() != set(keys):
        missing, other = sorted(level.keys() - set(keys)), sorted(set(keys) - level.keys())
        raise Invalid(
            "The weighting {code}, version {version}, does not fit: of what it weighs {missing} is missing here, and "
            "of what is here it does not weigh {other}.",
            code=by.code, version=by.version, missing=", ".join(missing) or "–", other=", ".join(other) or "–",
            errors=[{"field": "weighed_by", "message": key} for key in (*missing, *other)],
        )  # fmt: skip
    return level


WEIGHTINGS_POLICIES: Policies = {WeightingPublished: [know_weighting]}
"""For each service that keeps the copy, to be merged into its own."""
