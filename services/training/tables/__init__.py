"""Where does training keep what it knows?"""

from services.training.tables import catalogue, coaching, planning, surveys
from services.training.tables.base import agent_holders, employee_logins, employees, metadata

__all__ = ["agent_holders", "catalogue", "coaching", "employee_logins", "employees", "metadata", "planning", "surveys"]
