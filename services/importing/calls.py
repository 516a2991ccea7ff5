"""What does `headset import calls` do? Reads a call log and hands each row to Headset as events.

The file is read twice: once for its dates, once to be sent. Employees are made after the calls: only then the day of
each agent's first call is known, and calls of agents nobody knows wait anyway.
"""

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from services.importing.people import Directory, Refused, employee_id
from services.importing.progress import Bar
from services.importing.reading import AS_FOUND, Options, Source, open_source
from services.importing.rejects import Rejects
from services.importing.rows import DATED, Call, CallReader
from services.importing.sending import Sender, Server, address, credentials
from services.importing.values import Rejected
from shared.errors import CannotStart
from shared.i18n import say
from shared.settings import Settings

Send = Callable[[Sequence[bytes]], None]

_LISTED = 20
"""Agents named in the summary."""


@dataclass(slots=True)
class Agent:
    """An agent that the file names: how many calls, and when the first began."""

    calls: int
    first: datetime


@dataclass(slots=True)
class Summary:
    """What came of an import."""

    source: Source
    url: str
    rows: int = 0
    taken: int = 0
    repeated: int = 0
    """Lines that say the same as an earlier one."""
    rejected: int = 0
    examples: list[str] = field(default_factory=list)
    """The first rejections."""
    events: Counter[str] = field(default_factory=Counter)
    """By type; sent, unless it was a dry run."""
    first: datetime | None = None
    last: datetime | None = None
    agents: dict[str, Agent] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """Agents that employees were made of."""
    unknown: list[str] = field(default_factory=list)
    """Agents nobody knows, those with most calls first."""
    trouble: list[str] = field(default_factory=list)
    """What could not be done after the calls had been sent."""
    dry: bool = False

    def take(self, call: Call) -> None:
        self.taken += 1
        self.events.update(event.type for event in call.events)
        self.first = min(self.first or call.at, call.at)
        self.last = max(self.last or call.at, call.at)
        if call.agent_id is not None:
            agent = self.agents.setdefault(call.agent_id, Agent(0, call.at))
            agent.calls += 1
            agent.first = min(agent.first, call.at)

    def lines(self, settings: Settings) -> Iterator[str]:
        """The summary for people."""
        language, table = settings.language, self.source.table
        events = ", ".join(f"{n:,} {type}" for type, n in sorted(self.events.items()))
        yield say(
            language, "{file}: {rows} rows read, {taken} taken, {repeated} repeated, {rejected} rejected",
            file=table.path.name, rows=f"{self.rows:,}", taken=f"{self.taken:,}", repeated=f"{self.repeated:,}",
            rejected=f"{self.rejected:,}",
        )  # fmt: skip
        yield from self.source.lines(language)
        yield from self.source.rejected(self.examples, language)
        if self.dry:
            yield say(language, "Nothing was sent (dry run). It would have been: {events}", events=events)
        else:
            yield say(language, "Sent: {events}", events=events)
        if self.made:
            yield say(language, "Employees made: {n} ({agents})", n=len(self.made), agents=_some(self.made))
        if self.unknown:
            counts = [f"{agent} {self.agents[agent].calls:,}" for agent in self.unknown]
            yield say(
                language,
                "Agents nobody knows: {n} ({agents}). Their calls wait until somebody has the login: import them with "
                "'headset import employees', or this file again with --create-employees.",
                n=len(self.unknown), agents=_some(counts),
            )  # fmt: skip
        yield from self.trouble
        if not self.dry and self.first and self.last:
            days = [moment.astimezone(settings.zone).date() for moment in (self.first, self.last)]
            yield say(
                language,
                "See {url}/qa/recordings and {url}/performance/indicators/values?employee_id=…&from={first}&to={last}",
                url=self.url, first=days[0], last=days[1],
            )  # fmt: skip


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")


def import_calls(
    file: Path, *, settings: Settings, options: Options = AS_FOUND, url: str | None = None, token: str | None = None,
    name: str = "calls", create_employees: bool = False, team: str | None = None, corrected: bool = False,
    dry_run: bool = False,
) -> Summary:  # fmt: skip
    """Send a call log to the Headset at `url` (the address in the settings, unless given).

    Rows that cannot be taken go to a file beside it. The events' source is `import/<name>`. Employees that are made get
    the role agent in customer service, and this team. Of two reports of a call the newer wins, and events are of the
    time of the call; `corrected` makes them of now, so that they replace what an earlier file said. Raises
    `CannotStart` when the file cannot be read, when nothing in it can be sent, or when Headset does not take it; what
    was sent until then stays, and sending it again changes nothing.
    """
    if not re.fullmatch(r"[\w.-]{1,100}", name):
        raise CannotStart("A source is named by letters, digits, dots and dashes, not {name}.", name=repr(name))
    url = address(url, settings)
    time = datetime.now(UTC) if corrected else None
    source = open_source(file, "calls", DATED, options, settings)
    summary = Summary(source, url, dry=dry_run)
    with Rejects(source.rejects, source.table.headers, settings.language) as rejects:

        def read(send: Send) -> None:
            _read(summary, rejects, settings.language, lambda call: call.letters(f"import/{name}", time), send)

        if dry_run:
            read(lambda letters: None)
        else:
            with Server(url, credentials(settings, url, token), settings.language) as server:
                directory = Directory(server)
                server.check()
                if create_employees:
                    directory.check()
                _send(server, read, settings.language)
                _look_up(summary, directory, settings, create=create_employees, team=team)
                if not server.settled():
                    summary.trouble.append(say(settings.language, "Some of it is still on its way to the services."))
    if not summary.taken:
        raise CannotStart(
            "{file}: none of {rows} rows could be taken. {reason}",
            file=file, rows=summary.rows, reason="; ".join(summary.examples[:1]),
        )  # fmt: skip
    return summary


def _send(server: Server, read: Callable[[Send], None], language: str) -> None:
    sender = Sender(server)
    try:
        with sender:
            read(sender.add)
    except CannotStart as error:
        if not sender.sent:
            raise
        raise CannotStart(
            "{reason} {n} events had been taken. Run the same command again: nothing counts twice.",
            reason=say(language, error.reason, **error.values), n=sender.sent,
        ) from error  # fmt: skip


def _read(
    summary: Summary, rejects: Rejects, language: str, sealed: Callable[[Call], Sequence[bytes]], send: Send
) -> None:
    """Read every row, and send what it says or keep why not."""
    source = summary.source
    reader = CallReader(source.columns, source.calendar, source.yes_or_no)
    bar = Bar(say(language, "Calls"), source.table.size, language)
    with bar, _Earlier() as earlier:
        for row in source.table.rows(lambda read: bar.update(read, summary.rows)):
            summary.rows += 1
            try:
                if row.wrong:
                    raise row.wrong
                call = reader.read(row.cells)
                letters = sealed(call)
                if earlier.said_the_same(call, letters, row.line):
                    summary.repeated += 1
                    continue
            except Rejected as error:
                rejects.add(row, error)
                continue
            summary.take(call)
            send(letters)
    summary.rejected, summary.examples = rejects.count, rejects.examples


def _look_up(summary: Summary, directory: Directory, settings: Settings, *, create: bool, team: str | None) -> None:
    """See which agents nobody knows, and make employees of them if asked to."""
    language = settings.language
    agents = sorted(summary.agents, key=lambda login: -summary.agents[login].calls)
    with Bar(say(language, "Agents"), len(agents), language) as bar:
        try:
            for n, login in enumerate(agents, 1):
                bar.update(n, n)
                if directory.holder(login) is not None:
                    continue
                if not create:
                    summary.unknown.append(login)
                    continue
                day = summary.agents[login].first.astimezone(settings.zone).date()
                employee = {
                    "id": str(employee_id(login)), "agent_id": login, "department": "customer_service",
                    "role": "agent", "team": team, "date": day.isoformat(),
                }  # fmt: skip
                try:
                    if directory.enter(employee):
                        summary.made.append(login)
                except Refused as error:
                    summary.unknown.append(login)
                    summary.trouble.append(f"{login}: {say(language, error.reason, **error.values)}")
        except CannotStart as error:
            reason = say(language, error.reason, **error.values)
            summary.trouble.append(
                say(language, "Whether the agents are known could not be found out: {reason}", reason=reason)
            )


class _Earlier:
    """The calls of the rows before. On disk once they are many, so that a file of any length fits."""

    def __enter__(self) -> Self:
        self._db = sqlite3.connect("", isolation_level=None)
        for command in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE calls (call_id, agent_id, digest, line, PRIMARY KEY (call_id, agent_id)) WITHOUT ROWID",
            "BEGIN",
        ):
            self._db.execute(command)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def said_the_same(self, call: Call, letters: Sequence[bytes], line: int) -> bool:
        """Whether an earlier row said the same of this call and this agent. Raises `Rejected` if it said otherwise.

        One call may have several agents: it was passed on.
        """
        key = (call.call_id, call.agent_id or "")
        digest = hashlib.blake2b(b"".join(letters), digest_size=8).digest()
        try:
            new = self._db.execute("INSERT INTO calls VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (*key, digest, line))
        except sqlite3.Error as error:
            raise CannotStart(
                "No room for temporary files ({reason}); free the disk or name another directory by TMPDIR.",
                reason=error,
            ) from error
        if new.rowcount:
            return False
        first = self._db.execute("SELECT digest, line FROM calls WHERE call_id = ? AND agent_id = ?", key).fetchone()
        if first[0] != digest:
            raise Rejected("the same call as in line {line}, but with other particulars", line=first[1])
        return True
