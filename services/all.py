"""All services, in one place: whoever runs or documents them reads this list."""

from services.performance.app import service as performance
from services.qa.app import service as qa
from services.recruiting.app import service as recruiting
from services.training.app import service as training
from shared.errors import CannotStart
from shared.service import Service

SERVICES: tuple[Service, ...] = (recruiting, training, performance, qa)


def flows() -> list[str]:
    """Every reaction in the system, one a line: `event -> service: policy`."""
    return sorted(
        f"{event.type} -> {service.name}: {policy.__name__}"
        for service in SERVICES
        for event, policies in service.policies.items()
        for policy in policies
    )


def named(name: str) -> Service:
    """The service of this name, or `CannotStart`."""
    for service in SERVICES:
        if service.name == name:
            return service
    raise CannotStart(
        "There is no service {name}; the services are {names}.",
        name=name,
        names=", ".join(s.name for s in SERVICES),
    )
