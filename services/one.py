"""Which service does a name mean? Only that one is loaded: all four take twice as long to start as one."""

from importlib import import_module

from shared.errors import CannotStart
from shared.service import Service

NAMES = ("recruiting", "training", "performance", "qa")


def named(name: str) -> Service:
    """The service of this name, or `CannotStart`."""
    if name not in NAMES:
        raise CannotStart("There is no service {name}; the services are {names}.", name=name, names=", ".join(NAMES))
    service: Service = import_module(f"services.{name}.app").service
    return service
