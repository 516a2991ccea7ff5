"""How does a need become training: who may decide what, and what does it cost?

need:  collected -> assessed -> approved | returned;   merged into a like one
       collected -> returned by itself, when the appraisal it rests on is not low any more
plan:  draft -> submitted -> approved | returned;  approved -> issued
entry: planned -> executed | removed
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from shared.errors import Forbidden, IllegalState, Invalid
from shared.numbers import Number

Origin = Literal["department", "strategy", "survey", "appraisal", "audits", "ad_hoc"]
NeedStatus = Literal["collected", "assessed", "approved", "returned", "merged"]
PlanKind = Literal["year", "month", "department_month"]
PlanStatus = Literal["draft", "submitted", "approved", "returned", "issued"]
Period = Annotated[str, StringConstraints(pattern=r"^20\d\d(-(0[1-9]|1[0-2]))?$")]
Money = Annotated[Number, Field(ge=0, max_digits=12, decimal_places=2)]
Trainees = Annotated[tuple[UUID, ...], Field(max_length=2000)]

# What may follow what: process as data.
NEED_STEPS: Mapping[str, tuple[str, ...]] = {
    "assess": ("collected", "assessed", "returned"),
    "merge": ("collected", "assessed", "returned"),
    "decide": ("assessed",),
}
PLAN_STEPS: Mapping[str, tuple[str, ...]] = {
    "edit": ("draft", "returned"),
    "submit": ("draft", "returned"),
    "decide": ("submitted",),
    "issue": ("approved",),
    "change": ("approved", "issued"),
    "execute": ("approved", "issued"),
}
DEADLINES: Mapping[tuple[str, str], str] = {
    ("approved", "year"): "year_plan_approved",
    ("issued", "month"): "month_plan_issued",
    ("issued", "department_month"): "department_month_plan",
}
"""Which deadline a plan of a kind keeps when it becomes this."""


def check_step(steps: Mapping[str, tuple[str, ...]], step: str, status: str) -> None:
    """Raise `IllegalState` where the step is not possible now."""
    if status not in steps[step]:
        possible = [name for name, froms in steps.items() if status in froms]
        raise IllegalState(
            "The state is {state}; what can be done now: {allowed}.", state=status, allowed=", ".join(possible) or "-"
        )


def check_other(author: str, judge: str) -> None:
    """Raise `Forbidden` if somebody decides on their own."""
    if author == judge:
        raise Forbidden("Somebody else than the author decides.")


def check_budget(budget: Decimal, entries: Iterable[Any]) -> None:
    """Raise `Invalid` for a plan whose entries cost more than it has."""
    cost = sum((entry["budget"] for entry in entries), Decimal(0))
    if cost > budget:
        raise Invalid(
            "The entries cost {cost}, the budget is {budget}: take entries out or ask for more.",
            cost=cost,
            budget=budget,
        )


def fits(kind: PlanKind, period: str, department: str) -> None:
    """Raise `Invalid` where a plan's kind, period and department do not go together."""
    if (kind == "year") != (len(period) == 4):
        raise Invalid("A yearly plan has a year as its period, the others a month.")
    if (kind == "department_month") != bool(department):
        raise Invalid("A departmental plan, and no other, names its department.")


def month_after(day: date, months: int = 1) -> date:
    """The first day of the month so many months later."""
    n = day.year * 12 + day.month - 1 + months
    return date(n // 12, n % 12 + 1, 1)
