"""What do the routes of all subjects share?"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.http import service_router

router = service_router("training")


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
