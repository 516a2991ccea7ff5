"""How is staff spread over departments and roles, and how should it be?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from shared.errors import FieldError, Invalid

Whole = Literal["department", "all_staff"]


@dataclass(frozen=True, slots=True)
class Target:
    """A share, 0 to 1, that a role, or a department where `role` is None, should have `of` its whole."""

    department: str
    role: str | None
    of: Whole
    share: Decimal


@dataclass(frozen=True, slots=True)
class Group:
    """`n` people in a role, or in a department where `role` is None; `share` of their whole, None of nobody.

    Without a target the whole is the department for a role, and all staff for a department. `gap` is the number of
    people that lack until the target is met, negative where there are too many, with the whole as large as it is.
    """

    department: str | None
    role: str | None
    n: int
    of: Whole
    whole: int
    share: Decimal | None
    target: Decimal | None
    gap: Decimal | None


def compare(counts: Mapping[tuple[str | None, str], int], targets: Sequence[Target]) -> list[Group]:
    """Actual against target for each department, each followed by its roles, in alphabetical order.

    `counts` has people by (department, role). A role or department of which only a target is known is there with 0.
    """
    wanted = {(target.department, target.role): target for target in targets}
    departments = {department for department, _ in counts} | {target.department for target in targets}
    everybody = sum(counts.values())
    groups = []
    for department in sorted(departments, key=lambda name: (name is None, name)):
        here = {role: n for (its, role), n in counts.items() if its == department}
        roles = set(here) | {target.role for target in targets if target.department == department and target.role}
        size = sum(here.values())
        for role in (None, *sorted(roles)):
            target = wanted.get((department, role)) if department is not None else None
            of: Whole = target.of if target else "department" if role else "all_staff"
            n = size if role is None else here.get(role, 0)
            groups.append(_group(department, role, n, of, size if of == "department" else everybody, target))
    return groups


def check_targets(targets: Iterable[Target]) -> None:
    """Raise `Invalid` for a target stated twice, and for shares that are more than their whole."""
    wrong: list[FieldError] = []
    seen: set[tuple[str, str | None]] = set()
    sums: dict[tuple[str, Whole], Decimal] = {}
    limits: dict[str, Decimal] = {}
    for index, target in enumerate(targets):
        if (target.department, target.role) in seen:
            wrong.append({"field": f"targets.{index}", "message": "is stated twice"})
        if target.role is None and target.of == "department":
            wrong.append({"field": f"targets.{index}.of", "message": "a department is a share of all_staff"})
        seen.add((target.department, target.role))
        if target.role is None:
            limits[target.department] = target.share
        else:
            whole = (target.department, target.of)
            sums[whole] = sums.get(whole, Decimal(0)) + target.share
    for (department, of), total in sums.items():
        most = Decimal(1) if of == "department" else limits.get(department, Decimal(1))
        if total > most:
            wrong.append({"field": "targets", "message": f"the roles of {department} make {total} of {most}"})
    if sum(limits.values()) > 1:
        wrong.append({"field": "targets", "message": "the departments make more than all staff"})
    if wrong:
        raise Invalid("The target shares do not add up; see errors.", errors=wrong)


def _group(department: str | None, role: str | None, n: int, of: Whole, whole: int, target: Target | None) -> Group:
    share = (Decimal(n) / whole).quantize(Decimal("0.0001")) if whole else None
    gap = (target.share * whole - n).quantize(Decimal("0.1")) if target else None
    return Group(department, role, n, of, whole, share, target.share if target else None, gap)
