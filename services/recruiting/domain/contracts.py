"""Does an employment contract keep the law?

A rule set answers with the rule that a contract breaks. `cn` is the Labour Contract Law of the People's Republic of
China, articles 19 and 20; `none` asks nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from services.recruiting.domain.forms import Contract
from shared.errors import Invalid

RuleSet = Literal["cn", "none"]


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that does not hold: its name, and what it says."""

    rule: str
    says: str


def add_months(day: date, months: int) -> date:
    """The same day some months later; the last of that month where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(last, day.day))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def longest_probation(starts_on: date, ends_on: date | None) -> int:
    """Months that a probation may last by article 19, for a contract with these first and last days."""
    if ends_on is None:
        return 6
    after = ends_on + timedelta(days=1)
    for months, limit in ((36, 6), (12, 2), (3, 1)):
        if after >= add_months(starts_on, months):
            return limit
    return 0


def _china(contract: Contract, had_probation: bool) -> Breach | None:
    if contract.probation_ends_on is None:
        return None
    if contract.kind == "probation_only":
        return Breach("cn-19.4", "a probation needs a labour contract around it")
    if had_probation:
        return Breach("cn-19.2", "one employer agrees on one probation with one person")
    months = longest_probation(contract.starts_on, contract.ends_on)
    if months == 0:
        return Breach("cn-19.3", "a contract for less than 3 months has no probation")
    if contract.probation_ends_on >= add_months(contract.starts_on, months):
        return Breach("cn-19.1", f"the probation of this contract lasts {months} months at most")
    if contract.pay is None or contract.probation_pay is None:
        return Breach("cn-20", "pay and probation_pay are needed: 80 % of the agreed pay at least")
    if contract.probation_pay < contract.pay * Decimal("0.8"):
        return Breach("cn-20", "pay in probation is 80 % of the agreed pay at least")
    return None


RULES: Mapping[RuleSet, Callable[[Contract, bool], Breach | None]] = {"cn": _china, "none": lambda contract, had: None}


def check(rules: RuleSet, contract: Contract, *, had_probation: bool) -> None:
    """Raise `Invalid` with the name of the rule that this contract breaks."""
    breach = RULES[rules](contract, had_probation)
    if breach:
        raise _breached(breach)


def check_extension(rules: RuleSet, contract: Contract, until: date) -> None:
    """Raise `Invalid` unless that day is later than the end of this probation, and the law allows it."""
    if contract.probation_ends_on is None or until <= contract.probation_ends_on:
        raise Invalid(
            "An extended probation ends later than it would have: after {end}.",
            errors=[{"field": "probation_ends_on", "message": "is not later"}],
            end=contract.probation_ends_on or "-",
        )
    if contract.ends_on and until > contract.ends_on:
        raise _breached(Breach("term", "a probation does not last longer than its contract"))
    check(rules, contract.model_copy(update={"probation_ends_on": until}), had_probation=False)


def _breached(breach: Breach) -> Invalid:
    return Invalid(
        "The contract breaks the rule {rule}: {says}.",
        errors=[{"field": "probation_ends_on", "message": f"{breach.rule}: {breach.says}"}],
        rule=breach.rule, says=breach.says,
    )  # fmt: skip
