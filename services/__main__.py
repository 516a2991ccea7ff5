"""The command line: what can an operator, a developer or a newcomer do?"""

import asyncio
import contextlib
import gc
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from services.importing.command import calls_command, employees_command
from services.recovery import command as recovery
from shared.errors import CannotStart
from shared.i18n import say
from shared.settings import ROLES, Settings
from shared.tokens import own_key, sign

app = typer.Typer(
    name="headset",
    help="The people side of a call centre.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
topics = typer.Typer(help="Topics of Kafka.", no_args_is_help=True)
imports = typer.Typer(help="Bring in what other systems know.", no_args_is_help=True)
app.add_typer(topics, name="topics")
app.add_typer(imports, name="import")
verify = typer.Typer(help="Check that what is stored has not been tampered with.", no_args_is_help=True)
app.add_typer(verify, name="verify")

Data = Annotated[Path | None, typer.Option("--data", help="Directory of the embedded mode (.headset).")]
Host = Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).")]
Port = Annotated[int | None, typer.Option(help="Port to listen on (8000).", min=0, max=65535)]
ServiceName = Annotated[str, typer.Argument(help="recruiting, training, performance or qa.")]


def settings_with(**given: object) -> Settings:
    """Settings from the environment, and over them what the command line says."""
    try:
        return Settings.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = error.errors()[0]
        raise CannotStart(
            "The setting {name} is not valid: {reason}.",
            name=".".join(str(part) for part in wrong["loc"]), reason=wrong["msg"],
        ) from error  # fmt: skip


@app.command()
def up(
    data: Data = None, host: Host = None, port: Port = None,
    demo: Annotated[bool, typer.Option(help="A small demo centre at the first start.")] = True,
) -> None:  # fmt: skip
    """Run all four services in this process, with a PostgreSQL of their own."""
    from services import demo as demonstration
    from services import embedded

    settings = settings_with(data=data, host=host, port=port)

    async def started(address: str) -> None:
        await demonstration.welcome(settings, address, seed=demo and settings.jwks_url is None)

    raise typer.Exit(embedded.up(settings, started))


@app.command()
def serve(service: ServiceName, host: Host = None, port: Port = None) -> None:
    """Answer the HTTP requests of one service; its letters go out over Kafka."""
    _run_one(service, host, port, api=True)


@app.command()
def work(service: ServiceName, host: Host = None, port: Port = None) -> None:
    """Handle the letters that come for one service over Kafka, and do its recurring work."""
    _run_one(service, host, port, api=False)


def _run_one(name: str, host: str | None, port: int | None, *, api: bool) -> None:
    from services.embedded import bound, leaving_on_sigterm
    from services.embedded import run as run_loop
    from services.embedded import serve as answer
    from services.one import named
    from shared import logs
    from shared.kafka import KafkaBus
    from shared.run import Runtime

    settings = settings_with(host=host, port=port)
    service = named(name)
    logs.configure(settings.log_level)

    async def run() -> int:
        runtime = Runtime([service], settings, KafkaBus(settings), consume=not api)
        return await answer(runtime, listener, api=api)

    with leaving_on_sigterm(), bound(settings.host, settings.port) as listener:
        raise typer.Exit(run_loop(run()))


@app.command()
def migrate(service: Annotated[str, typer.Argument(help="One service, or 'all'.")] = "all") -> None:
    """Bring the schema of a service to what this release expects."""
    from services.one import NAMES, named
    from shared.migrations import Schema
    from shared.migrations import migrate as bring

    settings = settings_with()
    for one in [named(name) for name in (NAMES if service == "all" else [service])]:
        url = settings.url_of(one.name)
        if url is None:
            raise CannotStart("No database is named; set DATABASE_URL to a PostgreSQL address.")
        revision = asyncio.run(bring(Schema(one.name, url, one.metadata, one.migrations)))
        typer.echo(
            say(
                settings.language,
                "{service}: schema at revision {revision}",
                service=one.name,
                revision=revision,
            )
        )


@topics.command("create")
def create_topics() -> None:
    """Create the topics that are missing, with partitions, replication and retention from the settings."""
    from aiokafka.errors import KafkaError

    from shared import contracts, kafka

    settings = settings_with()
    try:
        made, there = asyncio.run(kafka.create_topics(settings, contracts.TOPICS))
    except (KafkaError, OSError) as error:
        raise CannotStart(
            "Kafka at {address} does not do it: {reason}. Is it running, and is KAFKA_BOOTSTRAP_SERVERS right?",
            address=settings.kafka, reason=f"{type(error).__name__}: {error}",
        ) from error  # fmt: skip
    for name in made:
        typer.echo(say(settings.language, "{topic}: created", topic=name))
    for name in there:
        typer.echo(say(settings.language, "{topic}: was there", topic=name))


@app.command()
def token(
    role: Annotated[str, typer.Option("--as", help=f"One of {', '.join(ROLES)}; several with commas.")],
    sub: Annotated[str | None, typer.Option(help="Whose token; for people the employee id.")] = None,
    data: Data = None,
    hours: Annotated[int, typer.Option(min=1, max=24 * 365, help="How long it is valid.")] = 12,
) -> None:
    """Print a token for the embedded mode; without --sub, of that role's person in the demo centre."""
    from services.directory import remembered

    settings = settings_with(data=data)
    roles = [name for name in ROLES if name in role.split(",")]
    if len(roles) != len(set(role.split(","))):
        raise CannotStart("There is no role {role}; the roles are {roles}.", role=role, roles=", ".join(ROLES))
    if settings.jwks_url is not None:
        raise CannotStart("With HEADSET_JWKS_URL tokens come from the identity provider; get one there.")
    if not (settings.data / "signing.key").exists():
        raise CannotStart(
            "There is no Headset in {directory}; start one with 'headset up', or name its directory with --data.",
            directory=settings.data,
        )
    people = remembered(settings.data).get("people")
    known = people.get(roles[0]) if isinstance(people, dict) else None
    signing = settings_with(data=data, jwt_key=own_key(settings.data))
    typer.echo(sign(signing, sub or known or roles[0], *roles, valid=timedelta(hours=hours)))


app.add_typer(recovery.dead_letters, name="dead-letters")
app.command("replay")(recovery.history_command)
app.command("backup")(recovery.backup_command)
app.command("restore")(recovery.restore_command)
imports.command("calls")(calls_command)
imports.command("employees")(employees_command)


@verify.command("appraisals")
def verify_appraisals(data: Data = None) -> None:
    """Recompute the hash chain of every appraisal's ledger; exit code 1 where one does not hold."""
    from services.performance.commands import verify_appraisals_command

    verify_appraisals_command(settings_with(data=data))


@app.command()
def check(data: Data = None) -> None:
    """Check what must always hold, in every database that is named; exit code 1 where something does not."""
    from services.checking import check_command

    raise typer.Exit(check_command(settings_with(data=data)))


@app.command()
def flows() -> None:
    """Print every reaction in the system: event -> service: policy."""
    from services.all import flows as all_flows

    typer.echo("\n".join(all_flows()))


def main() -> None:
    """Entry point: an expected failure is one line and exit code 1."""
    gc.set_threshold(50_000, 20, 100)  # what is loaded stays, and is looked through again and again while it is loaded
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except CannotStart as error:
        language = "en"
        with contextlib.suppress(ValidationError):
            language = Settings().language
        typer.echo(f"headset: {say(language, error.reason, **error.values)}", err=True)
        sys.exit(1)
    except typer.Abort:
        sys.exit(130)
    except Exception as error:
        if hasattr(error, "format_message"):  # click's own: wrong usage
            asked = getattr(getattr(error, "ctx", None), "command_path", "headset")
            typer.echo(f"headset: {error.format_message().rstrip('.')}; see '{asked} --help'.", err=True)
            sys.exit(getattr(error, "exit_code", 2))
        raise


if __name__ == "__main__":
    main()
