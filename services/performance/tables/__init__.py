"""Where does performance keep what it knows? By subject; migrations make the tables, a test compares both."""

from services.performance.tables.appraisals import (
    appeals,
    appraisals,
    cycles,
    history,
    improvement_plans,
    ledger_entries,
    ratings,
)
from services.performance.tables.base import agent_holders, employee_logins, employees, metadata
from services.performance.tables.facts import (
    attendance_facts,
    audit_days,
    audit_revisions,
    audits,
    call_days,
    call_facts,
    call_limit_days,
    call_limits,
    careers,
    case_days,
    case_facts,
    circumstances,
    rating_days,
    rating_facts,
    training_days,
    training_facts,
)
from services.performance.tables.rules import indicators, weightings

__all__ = [
    "agent_holders", "appeals", "appraisals", "attendance_facts", "audit_days", "audit_revisions", "audits",
    "call_days", "call_facts", "call_limit_days", "call_limits", "careers", "case_days", "case_facts", "circumstances",
    "cycles", "employee_logins", "employees", "history", "improvement_plans", "indicators", "ledger_entries",
    "metadata", "rating_days", "rating_facts", "ratings", "training_days", "training_facts", "weightings",
]  # fmt: skip
