"""Who may rate, appeal and decide, and when?"""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from services.performance.domain.ledger import Movement, reversal_of
from shared.errors import Forbidden, IllegalState
from shared.ids import new_id

RaterKind = Literal["self", "manager", "peer", "mentor"]


def rater_kind(
    rater: UUID, *, rated: UUID, lead: UUID | None, mentor: UUID | None, manager: bool, team: str | None,
    own_team: str | None, hand: str,
) -> RaterKind:  # fmt: skip
    """As what this person rates. Raises `Forbidden` for strangers."""
    if rater == rated:
        return "self"
    if hand == "mentor_rating":
        if rater == mentor:
            return "mentor"
        raise Forbidden("Only the mentor rates this.")
    if rater == lead or manager:
        return "manager"
    if team is not None and team == own_team:
        return "peer"
    raise Forbidden("Ratings come from the appraised, their manager, and the people of their team.")


def check_window(finalised_at: datetime | None, days: int, now: datetime) -> None:
    """Raise `IllegalState` unless one can appeal now."""
    if finalised_at is None:
        raise IllegalState("The appraisal is not finalised yet; one can appeal from then on.")
    end = finalised_at + timedelta(days=days)
    if now > end:
        raise IllegalState("One could appeal until {end}; that is over.", end=end.isoformat(timespec="minutes"))


def check_impartial(decider: str, makers: Collection[str]) -> None:
    """Raise `Forbidden` where somebody would decide about what they made, or asked for."""
    if decider in makers:
        raise Forbidden("Somebody else has to decide: you made this entry, rated for it, or appealed yourself.")


def upheld(
    entry: Movement, *, points: Decimal | None, appeal_id: UUID, at: datetime, by: str
) -> list[Movement]:  # fmt: skip
    """The entry is taken back; where the decision sets points, a new one stands in its place."""
    back = reversal_of(entry, at=at, actor=by)._replace(refers_to=appeal_id)
    if points is None:
        return [back]
    anew = entry._replace(
        id=new_id(), basis="appeal", audit_id=None, revision=None, event_id=str(appeal_id), value=points,
        points=points, low=points, high=points, actor=by, at=at, reverses=None, reversed_by=None,
        refers_to=appeal_id,
    )  # fmt: skip
    return [back, anew]
