"""In which language does this reader want an answer?"""

from typing import Annotated

from fastapi import Depends, Header, Request

from shared.i18n import preferred
from shared.settings import Settings


async def _language(request: Request, accept_language: Annotated[str | None, Header()] = None) -> str:
    settings: Settings = request.app.state.settings
    return preferred(accept_language, settings.language)


Language = Annotated[str, Depends(_language)]
"""`en` or `zh`, by the header `Accept-Language`, else by the settings."""
