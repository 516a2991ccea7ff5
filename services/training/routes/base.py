"""What do the routes of all subjects share?"""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from pydantic import BaseModel, ConfigDict

from shared.http import service_router
from shared.identity import Principal, allowed

router = service_router("training")

Trainer = Annotated[Principal, Depends(allowed("trainer", "manager"))]
"""Who runs training."""
Requester = Annotated[Principal, Depends(allowed("trainer", "manager", "team_lead", "hr", "call_centre"))]
"""Who may ask for training."""
Manager = Annotated[Principal, Depends(allowed("manager"))]
"""Who approves money."""
Reader = Annotated[
    Principal, Depends(allowed("trainer", "manager", "team_lead", "hr", "call_centre", "auditor", "service"))
]


class In(BaseModel):
    """What a request brings; a field that is not known is refused, so that no typing error goes by unseen."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """What an answer shows, read off a row or an object."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")

    @classmethod
    def of(cls, row: Any) -> Any:
        return cls.model_validate(dict(row) if hasattr(row, "keys") else row)


class Record(Out):
    """Who did what, when."""

    at: datetime
    actor: str
    action: str
    details: dict[str, Any]
