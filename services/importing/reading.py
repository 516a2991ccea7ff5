"""How does the user want a file to be read? Options, a mapping file, and what the file itself shows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from services.importing import mapping
from services.importing.mapping import Columns, MappingFile
from services.importing.moments import Calendar, date_in, order_named, order_of
from services.importing.table import DELIMITERS, Table, open_table
from services.importing.values import YesOrNo, cleaned
from shared.errors import CannotStart
from shared.i18n import say
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Options:
    """What is said about a file; None is left to the mapping file, and then to what the file shows."""

    map: Sequence[str] = ()
    """`field=Column` each."""
    mapping: Path | None = None
    encoding: str | None = None
    delimiter: str | None = None
    headers: bool = True
    date_format: str | None = None
    timezone: str | None = None
    """Otherwise the centre's."""
    rejects: Path | None = None
    """Otherwise FILE.rejects.csv."""


AS_FOUND = Options()
"""Nothing said."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file and how it is read."""

    table: Table
    columns: Columns
    calendar: Calendar
    yes_or_no: YesOrNo
    rejects: Path

    def lines(self, language: str) -> Iterator[str]:
        """How the file was read, for people to check."""
        marks = {mark: name for name, mark in DELIMITERS.items()}
        yield say(
            language, "Read as: encoding {encoding}, delimiter {delimiter}, dates {order}, zone {zone}",
            encoding=self.table.encoding, delimiter=marks.get(self.table.delimiter, self.table.delimiter),
            order=self.calendar.order or "ymd", zone=self.calendar.zone.key,
        )  # fmt: skip
        found = ", ".join(f"{field}={column.header}" for field, column in self.columns.by_field.items())
        yield say(language, "Columns: {columns}", columns=found)
        if self.columns.unused:
            yield say(language, "Columns not used: {columns}", columns=", ".join(self.columns.unused))

    def rejected(self, examples: Sequence[str], language: str) -> Iterator[str]:
        """Where the rejected rows are, and the first reasons; nothing when there are none."""
        if examples:
            yield say(
                language, "Rejected rows are in {file} with the reasons. Correct them there and import that file.",
                file=self.rejects,
            )  # fmt: skip
            yield from (f"  {example}" for example in examples)


def open_source(file: Path, kind: mapping.Kind, dated: Sequence[str], options: Options, settings: Settings) -> Source:
    """Raises `CannotStart` with what to say when something cannot be decided. `dated`: fields that hold dates."""
    profile = mapping.read_mapping_file(options.mapping) if options.mapping else MappingFile()
    chosen = {**profile.columns, **mapping.pairs(options.map, kind)}
    table = open_table(
        file, kind, chosen,
        encoding=options.encoding or profile.encoding, delimiter=options.delimiter or profile.delimiter,
        headers=options.headers,
    )  # fmt: skip
    columns = mapping.columns(table.headers, kind, chosen)
    zone = _zone(options.timezone or profile.timezone or settings.timezone)
    asked = options.date_format or profile.date_format
    order = order_named(asked) if asked else order_of(_dates(table, columns, dated))
    rejects = options.rejects or file.with_name(f"{file.stem}.rejects.csv")
    return Source(table, columns, Calendar(zone, order), YesOrNo(profile.yes, profile.no), rejects)


def _dates(table: Table, columns: Columns, dated: Sequence[str]) -> Iterator[str]:
    """Every date in the file."""
    places = [columns.by_field[field].index for field in dated if field in columns.by_field]
    for row in table.rows():
        if row.wrong is None:
            for place in places:
                yield date_in(cleaned(row.cells[place])[:100])


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise CannotStart("No time zone is called {name}; give a name such as Asia/Shanghai.", name=name) from error
