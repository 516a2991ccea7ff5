"""How is an import started? The commands `headset import calls` and `headset import employees`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from shared.errors import CannotStart
from shared.i18n import say
from shared.settings import Settings

File = Annotated[Path, typer.Argument(help="The CSV file.", show_default=False)]
Url = Annotated[str | None, typer.Option(help="Where Headset answers (http://127.0.0.1:8000).")]
Token = Annotated[
    str | None, typer.Option(envvar="HEADSET_TOKEN", help="A token; by default one is signed with this machine's key.")
]
Map = Annotated[
    list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Where a field is found; '' drops it.")
]
Mapping = Annotated[Path | None, typer.Option(help="A mapping file, TOML or JSON: columns, encoding, date_format …")]
Encoding = Annotated[str | None, typer.Option(help="utf-8, gb18030, cp1252, utf-16 …; found out by default.")]
Delimiter = Annotated[str | None, typer.Option(help="comma, semicolon, tab, pipe; found out by default.")]
Headers = Annotated[bool, typer.Option(help="Whether the first line names the columns; else they are #1, #2 …")]
DateFormat = Annotated[str | None, typer.Option(help="dmy, mdy or ymd; found out from all dates by default.")]
Timezone = Annotated[str | None, typer.Option("--timezone", help="Zone of the file's times; the centre's by default.")]
RejectsFile = Annotated[Path | None, typer.Option("--rejects", help="Where rejected rows go (FILE.rejects.csv).")]
Data = Annotated[Path | None, typer.Option("--data", help="Directory of the embedded mode (.headset).")]
CreateEmployees = Annotated[bool, typer.Option(help="Make employees of agents nobody knows.")]
Corrected = Annotated[bool, typer.Option("--corrected", help="What earlier files said of these calls was wrong.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and check everything, send nothing.")]


def calls_command(
    file: File,
    create_employees: CreateEmployees = False,
    team: Annotated[str | None, typer.Option(help="The team of employees that are made.")] = None,
    name: Annotated[str, typer.Option(help="Name of the source: events come from import/NAME.")] = "calls",
    map: Map = None, mapping: Mapping = None, encoding: Encoding = None, delimiter: Delimiter = None,
    headers: Headers = True, date_format: DateFormat = None, timezone: Timezone = None, rejects: RejectsFile = None,
    corrected: Corrected = False, dry_run: DryRun = False, url: Url = None, token: Token = None, data: Data = None,
) -> None:  # fmt: skip
    """Bring in a call log: calls, what became of them, and how customers rated them.

    Each row becomes up to three events. Rows that cannot be taken go to FILE.rejects.csv with line and reason. The same
    file again changes nothing.
    """
    from services.importing.calls import import_calls
    from services.importing.reading import Options

    settings = _settings(data)
    options = Options(map or (), mapping, encoding, delimiter, headers, date_format, timezone, rejects)
    with _stoppable(settings):
        summary = import_calls(
            file, settings=settings, options=options, url=url, token=token, name=name,
            create_employees=create_employees, team=team, corrected=corrected, dry_run=dry_run,
        )  # fmt: skip
        typer.echo("\n".join(summary.lines(settings)))


def employees_command(
    file: File, map: Map = None, mapping: Mapping = None, encoding: Encoding = None, delimiter: Delimiter = None,
    headers: Headers = True, date_format: DateFormat = None, rejects: RejectsFile = None, dry_run: DryRun = False,
    url: Url = None, token: Token = None, data: Data = None,
) -> None:  # fmt: skip
    """Bring in employees: login, name, department, role, team, lead, mentor, first day.

    Whoever is there already is changed where the file says otherwise. Rows that cannot be taken go to FILE.rejects.csv
    with line and reason. The same file again changes nothing.
    """
    from services.importing.employees import import_employees
    from services.importing.reading import Options

    settings = _settings(data)
    options = Options(map or (), mapping, encoding, delimiter, headers, date_format, None, rejects)
    with _stoppable(settings):
        summary = import_employees(file, settings=settings, options=options, url=url, token=token, dry_run=dry_run)
        typer.echo("\n".join(summary.lines(settings)))


def _settings(data: Path | None) -> Settings:
    try:
        return Settings() if data is None else Settings(data=data)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise CannotStart(
            "The setting {name} is not valid: {reason}.",
            name=".".join(str(part) for part in wrong["loc"]), reason=wrong["msg"],
        ) from error  # fmt: skip


@contextmanager
def _stoppable(settings: Settings) -> Iterator[None]:
    """Ctrl-C ends the block with a word about what that means."""
    try:
        yield
    except KeyboardInterrupt:
        said = say(settings.language, "Stopped. What was sent stays. Run the same command again: nothing counts twice.")
        typer.echo(said, err=True)
        raise typer.Abort from None
