"""What is a service? Its name, its routes, its tables, its policies and its recurring work."""

from collections.abc import Awaitable, Callable
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
class Service:
    """Everything that the composition root needs to know of a service. `name` is also its schema and its prefix."""

    name: str
    router: APIRouter
    access: Table
    metadata: MetaData
    policies: Policies
    migrations: Path
    jobs: tuple[Job, ...] = field(default=())
