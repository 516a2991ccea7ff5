"""training over HTTP, one file a subject."""

from services.training.routes import catalogue, coaching, learning, planning, rules, surveys
from services.training.routes.base import router

__all__ = ["catalogue", "coaching", "learning", "planning", "router", "rules", "surveys"]
