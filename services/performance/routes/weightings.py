"""Weightings over HTTP: what experts think each thing is worth."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.performance.domain.weightings import Hierarchy, Judgements, Weighting, check_hierarchy, weigh
from services.performance.repository import weightings as repository
from services.performance.tables import weightings as table
from shared.errors import NotFound
from shared.events import Code
from shared.http import CurrentTx, service_router
from shared.identity import Anyone
from shared.ids import new_id
from shared.pages import Cursor, Limit, Page, page

router = service_router("performance")


class NewWeighting(BaseModel):
    """Judgements about a hierarchy. Without one, that of the newest version with this code is judged."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    hierarchy: Hierarchy | None = None
    judgements: Annotated[tuple[Judgements, ...], Field(max_length=100)] = ()


class WeightingView(BaseModel):
    """A version: what is weighed, who judged how, and what it comes to; null until somebody has judged."""

    id: UUID
    code: str
    version: int
    hierarchy: Hierarchy
    judgements: list[Judgements]
    result: Weighting | None
    made_by: str
    made_at: AwareDatetime


@router.post("/weightings", status_code=201)
async def weigh_by_experts(new: NewWeighting, tx: CurrentTx, principal: Anyone) -> WeightingView:
    """A new version. Judgements that contradict each other are refused, the worst of them named."""
    hierarchy = new.hierarchy
    if hierarchy is None:
        known = await repository.newest(tx, new.code)
        if known is None:
            raise NotFound("There is no weighting {code}; send its hierarchy.", code=new.code)
        hierarchy = WeightingView.model_validate(known).hierarchy
    check_hierarchy(hierarchy)
    result = weigh(hierarchy, new.judgements) if new.judgements else None
    row = await repository.add(
        tx,
        new.code,
        id=new_id(),
        hierarchy=[node.model_dump(mode="json") for node in hierarchy],
        judgements=[one.model_dump(mode="json") for one in new.judgements],
        result=result and result.model_dump(mode="json"),
        made_by=principal.sub,
        made_at=tx.now,
    )
    await repository.publish(tx)
    return WeightingView.model_validate(row)


@router.get("/weightings")
async def list_weightings(tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[WeightingView]:
    """All versions of all weightings, the newest first."""
    query = repository.all_weightings()
    return await page(tx, query, [table.c.id], WeightingView.model_validate, limit=limit, cursor=cursor)


@router.get("/weightings/{id}")
async def one_weighting(id: UUID, tx: CurrentTx) -> WeightingView:
    """One version."""
    return WeightingView.model_validate(await repository.weighting(tx, id))
