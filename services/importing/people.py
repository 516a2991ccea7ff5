"""Whom does Headset know? Employees as recruiting has them, by login, and new ones."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.importing.sending import Server, refusal
from shared.errors import CannotStart
from shared.ids import id_for

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def employee_id(login: str) -> UUID:
    """The identifier of an employee that an import makes of a login: always the same."""
    return id_for(_NO_TIME, "employee", login)


class Refused(CannotStart):
    """An employee that recruiting does not take as given."""


class Directory:
    """The employees of a running Headset."""

    PATH = "/recruiting/employees"

    def __init__(self, server: Server) -> None:
        self._server = server

    def check(self) -> None:
        """Raise `CannotStart` unless employees can be looked up."""
        self._server.ask("GET", self.PATH, params={"limit": 1})

    def holder(self, login: str) -> dict[str, Any] | None:
        """The employee who has this login; who had it, if nobody has it now."""
        found = self._server.ask("GET", self.PATH, params={"agent_id": login, "limit": 500}).json()["items"]
        return min(found, key=lambda employee: employee["left_on"] is not None, default=None)

    def find(self, id: str) -> dict[str, Any] | None:
        answer = self._server.ask("GET", f"{self.PATH}/{id}", refusals=(404,))
        return None if answer.status_code == 404 else answer.json()

    def enter(self, employee: Mapping[str, Any]) -> bool:
        """Make an employee; False when the same was made before. Raises `Refused`."""
        answer = self._server.ask("POST", self.PATH, json=employee, refusals=(409, 422))
        if answer.is_error:
            raise Refused("{reason}", reason=refusal(answer))
        return answer.status_code == 201

    def change(self, id: str, fields: Mapping[str, Any]) -> None:
        """Raises `Refused`."""
        answer = self._server.ask("PATCH", f"{self.PATH}/{id}", json=fields, refusals=(409, 422))
        if answer.is_error:
            raise Refused("{reason}", reason=refusal(answer))
