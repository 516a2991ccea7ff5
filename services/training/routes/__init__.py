"""training over HTTP, one file a subject."""

from services.training.routes import calendar, catalogue, coaching, learning, needs, plans, rules, surveys
from services.training.routes.base import router

__all__ = ["calendar", "catalogue", "coaching", "learning", "needs", "plans", "router", "rules", "surveys"]
