"""What is a service? Its name, its routes, its tables, its policies and its recurring work."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from fastapi import APIRouter
from sqlalchemy import MetaData

from shared.authorisation import Table
from shared.db import Tx
from shared.delivery import Policies


@dataclass(frozen=True, slots=True)
class Job:
    """Work that time brings about, not an event. One replica at a time does it, in one transaction."""

    name: str
    every: timedelta
    run: Callable[[Tx], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must always hold.

    `find` says where it does not: identifiers, or a few words, at most `MOST_BREACHES`. It is asked every ten minutes
    by each worker and must not grow with the tables; where all cannot be asked so often, `find_all` does it for the
    command.
    """

    name: str
    find: Callable[[Tx], Awaitable[Sequence[str]]]
    find_all: Callable[[Tx], Awaitable[Sequence[str]]] | None = None


MOST_BREACHES = 100


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that the composition root needs to know of a service. `name` is also its schema and its prefix."""

    name: str
    router: APIRouter
    access: Table
    metadata: MetaData
    policies: Policies
    migrations: Path
    jobs: tuple[Job, ...] = field(default=())
    gauges: tuple[Callable[[Tx], Awaitable[None]], ...] = field(default=())
    """Each brings a gauge of the database up to date, every ten minutes."""
    checks: tuple[Check, ...] = field(default=())
