"""All services, in one place: whoever runs or documents them reads this list."""

from services.one import NAMES, named
from shared.service import Service

SERVICES: tuple[Service, ...] = tuple(named(name) for name in NAMES)


def flows() -> list[str]:
    """Every reaction in the system, one a line: `event -> service: policy`."""
    return sorted(
        f"{event.type} -> {service.name}: {policy.__name__}"
        for service in SERVICES
        for event, policies in service.policies.items()
        for policy in policies
    )
