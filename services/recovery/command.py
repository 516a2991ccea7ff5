"""The commands of recovery, thin: `headset dead-letters …`, `replay`, `backup`, `restore`."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from shared.errors import CannotStart
from shared.settings import Settings

Data = Annotated[Path | None, typer.Option("--data", help="Directory of the embedded mode (.headset).")]
By = Annotated[str | None, typer.Option(help="Who decides this; otherwise the user of this machine.")]
Ids = Annotated[list[UUID], typer.Argument(help="Dead letters, as 'list' names them.")]
SomeIds = Annotated[list[UUID] | None, typer.Argument(help="Dead letters, as 'list' names them.")]
Some = Annotated[str | None, typer.Option("--service", help="Of this service only.")]
One = Annotated[str, typer.Argument(help="recruiting, training, performance or qa.")]
OneOrAll = Annotated[str, typer.Argument(help="One service, or 'all', if they are in one database.")]
Done = Annotated[bool, typer.Option("--all", help="Also those replayed and discarded.")]
Every = Annotated[bool, typer.Option("--all", help="All that are open, oldest first.")]
Reason = Annotated[str, typer.Option(help="Why nothing is to be done about it.")]
Topics = Annotated[list[str] | None, typer.Option(help="Which topics; otherwise all that it listens to.")]
From = Annotated[
    str, typer.Option("--from", help="A time such as 2026-03-01T00:00+08:00, PARTITION:OFFSET, or 'earliest'.")
]
NoKafka = Annotated[
    bool, typer.Option("--without-kafka", help="There is none: 'headset up' runs on a database of yours.")
]
Aside = Annotated[bool, typer.Option("--set-aside", help="Rename what is there instead of refusing.")]

dead_letters = typer.Typer(help="Letters that could not be handled.", no_args_is_help=True)


def _settings(data: Path | None) -> Settings:
    from services.__main__ import settings_with

    return settings_with(data=data)


@dead_letters.command("list")
def list_command(service: Some = None, done: Done = False, data: Data = None) -> None:
    """A line for each, oldest first: id, service, when, type, what became of it, why it died."""
    from services.recovery import letters

    letters.show_list(_settings(data), service, done=done)


@dead_letters.command("show")
def show_command(ids: Ids, data: Data = None) -> None:
    """All that is known of dead letters, as JSON."""
    from services.recovery import letters

    letters.show(_settings(data), ids)


@dead_letters.command("replay")
def replay_command(
    ids: SomeIds = None, every: Every = False, service: Some = None, by: By = None, data: Data = None
) -> None:
    """Handle letters again, each in a transaction of its own; exit code 1 if one fails again, which stays."""
    from services.recovery import letters

    if bool(ids) == every:
        raise CannotStart("Name dead letters, or say --all.")
    if letters.replay(_settings(data), ids, service, by):
        raise typer.Exit(1)


@dead_letters.command("discard")
def discard_command(ids: Ids, reason: Reason, by: By = None, data: Data = None) -> None:
    """Decide that nothing is to be done about letters. They stay, with the decision, and may be replayed still."""
    from services.recovery import letters

    if not reason.strip():
        raise CannotStart("Say why, with --reason.")
    letters.discard(_settings(data), ids, reason.strip()[:2000], by)


def history_command(service: One, topic: Topics = None, start: From = "earliest") -> None:
    """Read again what Kafka holds and have the service handle what it does not know yet.

    Its workers may run meanwhile. What the inbox knows is skipped: nothing counts twice.
    """
    from services.recovery import again

    again.read_again(_settings(None), service, topic or [], start)


def backup_command(service: OneOrAll, file: Path, without_kafka: NoKafka = False, data: Data = None) -> None:
    """Put a service's data into a file, in one snapshot, while it runs; all services if they share a database."""
    from services.recovery import keeping

    keeping.backup(_settings(data), service, file, kafka=not without_kafka)


def restore_command(
    service: OneOrAll, file: Path, aside: Aside = False, without_kafka: NoKafka = False, data: Data = None
) -> None:
    """Bring back what a backup holds; the service's processes must rest. Its workers will read on from where it was."""
    from services.recovery import keeping

    keeping.restore(_settings(data), service, file, aside=aside, kafka=not without_kafka)
