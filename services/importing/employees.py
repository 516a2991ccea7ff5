"""What does `headset import employees` do? Enters those who work here, and changes what the file says otherwise.

Who leads or mentors others is entered before them, wherever in the file they stand.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from services.importing.people import Directory, Refused, employee_id
from services.importing.progress import Bar
from services.importing.reading import AS_FOUND, Options, Source, open_source
from services.importing.rejects import Rejects
from services.importing.rows import Cells
from services.importing.sending import Server, address, credentials
from services.importing.table import Row
from services.importing.values import WORDINGS, Rejected, folded, meanings
from shared.errors import CannotStart
from shared.i18n import say
from shared.settings import Settings

_DEPARTMENTS = meanings(WORDINGS["departments"])
_ROLES = meanings(WORDINGS["roles"])


@dataclass(frozen=True, slots=True)
class Person:
    """What one row says; None where it says nothing. Lead and mentor are logins or ids."""

    id: str | None
    agent_id: str | None
    name: str | None
    department: str | None
    role: str
    team: str | None
    team_lead_id: str | None
    mentor_id: str | None
    date: date | None

    @property
    def own_id(self) -> UUID:
        """The id to be entered with: the one given, else one that follows from personnel number or login."""
        return _uuid(self.id) or employee_id(self.id or self.agent_id or "")

    @property
    def names(self) -> set[str]:
        """By what others may call this person."""
        return {name for name in (self.id, self.agent_id) if name}

    @property
    def others(self) -> set[str]:
        """Who has to be there first."""
        return {name for name in (self.team_lead_id, self.mentor_id) if name}


@dataclass(slots=True)
class Summary:
    """What came of an import."""

    source: Source
    rows: int = 0
    made: int = 0
    changed: int = 0
    same: int = 0
    """As Headset knew them already."""
    repeated: int = 0
    rejected: int = 0
    examples: list[str] = field(default_factory=list)
    dry: bool = False

    def lines(self, settings: Settings) -> Iterator[str]:
        """The summary for people."""
        language = settings.language
        yield say(
            language,
            "{file}: {rows} rows read, {made} employees made, {changed} changed, {same} as known, {repeated} repeated, "
            "{rejected} rejected",
            file=self.source.table.path.name, rows=self.rows, made=self.made, changed=self.changed, same=self.same,
            repeated=self.repeated, rejected=self.rejected,
        )  # fmt: skip
        yield from self.source.lines(language)
        yield from self.source.rejected(self.examples, language)
        if self.dry:
            yield say(language, "Nothing was sent (dry run).")


def read_person(row: Cells, day: Callable[[str], date]) -> Person:
    """Raises `Rejected` when any part of the row cannot be taken."""
    department, role = row.code("department"), row.code("role")
    person = Person(
        id=row.text("id"), agent_id=row.text("agent_id"), name=row.code("name"),
        department=department and _DEPARTMENTS.get(folded(department), department),
        role=(role and _ROLES.get(folded(role), role)) or "", team=row.code("team"),
        team_lead_id=row.text("team_lead_id"), mentor_id=row.text("mentor_id"), date=row.read("date", day),
    )  # fmt: skip
    if not person.names:
        raise Rejected("the login is missing")
    if not person.role:
        raise Rejected("the role is missing")
    if person.names & person.others:
        raise Rejected("nobody leads or mentors themselves")
    return person


def import_employees(
    file: Path, *, settings: Settings, options: Options = AS_FOUND, url: str | None = None, token: str | None = None,
    dry_run: bool = False,
) -> Summary:  # fmt: skip
    """Enter the employees of a file at the Headset at `url` (the address in the settings, unless given).

    Whoever is there already, by id or login, is changed where the file says otherwise, from today on; their first day
    stays. The same file again changes nothing. Raises `CannotStart` when the file cannot be read, when nothing in it
    can be taken, or when Headset does not answer.
    """
    url = address(url, settings)
    source = open_source(file, "employees", ("date",), options, settings)
    summary = Summary(source, dry=dry_run)
    with Rejects(source.rejects, source.table.headers, settings.language) as rejects:
        people, refused = _read(summary)
        if not dry_run:
            with Server(url, credentials(settings, url, token), settings.language) as server:
                refused += _enter(people, Directory(server), summary, settings)
        for row, error in sorted(refused, key=lambda one: one[0].line):
            rejects.add(row, error)
        summary.rejected, summary.examples = rejects.count, rejects.examples
    if summary.rejected + summary.repeated == summary.rows:
        raise CannotStart(
            "{file}: none of {rows} rows could be taken. {reason}",
            file=file, rows=summary.rows, reason="; ".join(summary.examples[:1]),
        )  # fmt: skip
    return summary


def _read(summary: Summary) -> tuple[list[tuple[Row, Person]], list[tuple[Row, Rejected]]]:
    source = summary.source
    people: list[tuple[Row, Person]] = []
    refused: list[tuple[Row, Rejected]] = []
    lines: dict[str, tuple[int, Person]] = {}
    for row in source.table.rows():
        summary.rows += 1
        try:
            if row.wrong:
                raise row.wrong
            person = read_person(Cells(source.columns.by_field, row.cells), source.calendar.date)
            earlier = next((lines[name] for name in person.names if name in lines), None)
            if earlier and earlier[1] == person:
                summary.repeated += 1
                continue
            if earlier:
                raise Rejected("the same employee as in line {line}, but with other particulars", line=earlier[0])
        except Rejected as error:
            refused.append((row, error))
            continue
        people.append((row, person))
        lines.update(dict.fromkeys(person.names, (row.line, person)))
    return people, refused


def _enter(
    people: Sequence[tuple[Row, Person]], directory: Directory, summary: Summary, settings: Settings
) -> list[tuple[Row, Rejected]]:
    """Enter or change everybody; whoever could not be, with the reason."""
    refused: list[tuple[Row, Rejected]] = []
    waiting = list(people)
    ids: dict[str, str | None] = {}  # whom a name stands for; None for nobody

    def resolve(name: str) -> str | None:
        if name not in ids:
            known = directory.holder(name)
            ids[name] = known["id"] if known else None
        return ids[name]

    with Bar(say(settings.language, "Employees"), len(people), settings.language) as bar:
        while waiting:
            to_come = {name for _, person in waiting for name in person.names}
            ready: list[tuple[Row, Person]] = []
            later: list[tuple[Row, Person]] = []
            for one in waiting:
                (later if one[1].others & to_come else ready).append(one)
            if not ready:
                circle = Rejected("they lead or mentor each other in a circle; enter one without lead and mentor first")
                return refused + [(row, circle) for row, _ in waiting]
            waiting = later
            for row, person in ready:
                try:
                    id = _enter_one(person, directory, resolve, summary)
                    ids.update(dict.fromkeys(person.names, id))
                except (Refused, Rejected) as error:
                    reason = error if isinstance(error, Rejected) else Rejected(error.reason, **error.values)
                    refused.append((row, reason))
                    ids.update(dict.fromkeys(person.names, None))
                bar.update(len(people) - len(waiting), summary.made + summary.changed + summary.same)
    return refused


def _enter_one(person: Person, directory: Directory, resolve: Callable[[str], str | None], summary: Summary) -> str:
    wanted: dict[str, Any] = {name: value for name, value in asdict(person).items() if value is not None}
    for role in ("team_lead_id", "mentor_id"):
        name = wanted.get(role)
        if name and (id := str(_uuid(name) or resolve(name) or "")):
            wanted[role] = id
        elif name:
            raise Rejected("nobody has the login {login}", login=name)
    there = directory.find(str(person.own_id)) or (
        directory.holder(person.agent_id) if person.agent_id and not _uuid(person.id) else None
    )
    if there is None:
        wanted |= {"id": str(person.own_id), "agent_id": person.agent_id}
        if person.date:
            wanted["date"] = person.date.isoformat()
        directory.enter(wanted)
        summary.made += 1
        return str(person.own_id)
    changes = {name: value for name, value in wanted.items() if name not in ("id", "date") and there[name] != value}
    if changes:
        directory.change(there["id"], changes)
    summary.changed += bool(changes)
    summary.same += not changes
    return str(there["id"])


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
