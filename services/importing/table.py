"""What is in the file? Its encoding, its delimiter, its headers, its rows; and where rows go that cannot be taken.

Read as a stream: a file of any length, with lines of any length, takes the same memory.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TextIO

from services.importing import mapping
from services.importing.values import Rejected, cleaned
from shared.errors import CannotStart
from shared.i18n import say

LONGEST_LINE = 1024 * 1024
LONGEST_CELL = 100_000
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_HEAD = 256 * 1024
"""Characters among which the line of the headers is looked for."""
_LINES_ABOVE = 20
"""Titles and blank lines there may be above the headers."""
_SAMPLE = 100_000
"""How many stretches of characters beyond ASCII tell an encoding."""
_EXAMPLES = 3

_NOT_TEXT = {
    b"PK\x03\x04": "an Excel workbook or archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "compressed",
}
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")


class Row(NamedTuple):
    """The cells of one record as they came, and the line that it begins on, counted from 1."""

    line: int
    cells: list[str]
    wrong: Rejected | None = None
    """Why these are not the cells of a row."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file that can be read: how, and from which line on."""

    path: Path
    encoding: str
    delimiter: str
    header_line: int
    headers: Sequence[str]
    size: int
    """In bytes."""

    def rows(self, at: Callable[[int], None] = lambda _: None) -> Iterator[Row]:
        """Each record below the headers but blank ones. `at` is told now and then how many bytes have been read.

        Raises `CannotStart` when the file cannot be read to its end.
        """
        width = len(self.headers)
        try:
            with self.path.open("rb") as raw:
                for count, row in enumerate(_records(_decoded(raw, self.encoding), self.delimiter)):
                    if not count % 500:
                        at(raw.tell())
                    if row.line <= self.header_line:
                        continue
                    if row.wrong or len(row.cells) == width:
                        yield row
                    elif len(row.cells) > width and not any(map(str.strip, row.cells[width:])):
                        yield Row(row.line, row.cells[:width])  # delimiters at the end of the line
                    else:
                        n = len(row.cells)
                        wrong = Rejected("{n} cells where the headers have {width}", n=n, width=width)
                        yield Row(row.line, row.cells, wrong)
            at(self.size)
        except UnicodeDecodeError as error:
            raise CannotStart(
                "{file} is not {encoding} all through; say --encoding.", file=self.path, encoding=self.encoding
            ) from error
        except OSError as error:
            raise CannotStart(
                "Cannot read {file}: {reason}.", file=self.path, reason=error.strerror or error
            ) from error


def _records(file: TextIO, delimiter: str) -> Iterator[Row]:
    """All records but blank ones."""
    lines = _Lines(file)
    records = csv.reader(lines, delimiter=delimiter)
    while True:
        begin = lines.number + 1
        try:
            cells = next(records)
        except StopIteration:
            return
        except Rejected as error:
            yield Row(begin, [], error)
        except csv.Error:
            yield Row(begin, [], _too_long())
        else:
            if any(map(str.strip, cells)):
                yield Row(begin, cells)


def open_table(
    path: Path, kind: mapping.Kind, chosen: Mapping[str, str], *,
    encoding: str | None = None, delimiter: str | None = None, headers: bool = True,
) -> Table:  # fmt: skip
    """Find out how to read a file. Raises `CannotStart` when that cannot be done or not be decided.

    Without `headers` the columns are called #1, #2 and so on.
    """
    try:
        if not path.is_file():
            raise CannotStart("There is no file {file}.", file=path)
        size = path.stat().st_size
        with path.open("rb") as raw:
            encoding = _known_encoding(encoding) if encoding else _encoding_of(raw, path)
            raw.seek(0)
            head = _decoded(raw, encoding).read(_HEAD)
    except UnicodeDecodeError as error:
        raise CannotStart(
            "{file} is not {encoding} all through; say --encoding.", file=path, encoding=encoding
        ) from error
    except OSError as error:
        raise CannotStart("Cannot read {file}: {reason}.", file=path, reason=error.strerror or error) from error
    named = re.match(r"\ufeff?sep=(.)\r?\n", head)  # Excel's own way to name the delimiter
    if delimiter is None and named:
        delimiter = named[1]
    choices = [DELIMITERS.get(delimiter, delimiter)] if delimiter else list(DELIMITERS.values())
    best: tuple[int, int, str, Row] | None = None
    for mark in choices:
        if len(mark) != 1 or mark in '"\r\n ':
            raise CannotStart(
                "A delimiter is one character, or comma, semicolon, tab or pipe; not {text}.", text=repr(mark)
            )
        records = _records(io.StringIO(head, newline=""), mark)
        for row in islice((row for row in records if row.line > (1 if named else 0)), _LINES_ABOVE if headers else 1):
            known = mapping.known(row.cells, kind, chosen)
            width = len(row.cells) if best is None or best[2] != mark else 0
            if best is None or (known, width) > best[:2]:
                best = (known, width, mark, row)
    if best is None:
        raise CannotStart("{file} is empty.", file=path)
    _, _, mark, row = best
    if not headers:
        return Table(path, encoding, mark, row.line - 1, [f"#{n}" for n, _ in enumerate(row.cells, 1)], size)
    return Table(path, encoding, mark, row.line, [cleaned(header.lstrip("\ufeff")) for header in row.cells], size)


class _Lines:
    """The lines of a file, counted; one that is too long is left out and refused."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._file.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
            while (rest := self._file.readline(LONGEST_LINE)) and rest[-1] not in "\r\n":
                pass
            raise _too_long()
        return line


def _too_long() -> Rejected:
    return Rejected("a cell has more than {most} characters; is a quotation mark not closed?", most=f"{LONGEST_CELL:,}")


def _decoded(raw: io.BufferedReader, encoding: str) -> io.TextIOWrapper:
    # Bytes that are no text stay recognisable (as lone surrogates), so that only their rows are refused.
    return io.TextIOWrapper(raw, encoding, errors="surrogateescape", newline="")


def _known_encoding(name: str) -> str:
    name = {"gbk": "gb18030", "gb2312": "gb18030", "utf-8": "utf-8-sig", "utf8": "utf-8-sig", "ansi": "cp1252"}.get(
        name.lower(), name
    )
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise CannotStart("There is no encoding {name}; try utf-8, gb18030, cp1252 or utf-16.", name=name) from error


def _encoding_of(raw: io.BufferedReader, path: Path) -> str:
    """The encoding that the bytes of the file prove, or nearly so; `CannotStart` when they do not."""
    start = raw.peek(4)[:4]
    for mark, what in _NOT_TEXT.items():
        if start.startswith(mark):
            raise CannotStart("{file} is {what}, not CSV; save it as CSV (UTF-8) first.", file=path, what=what)
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8 = True
    sample: list[bytes] = []
    while chunk := raw.read(LONGEST_LINE):
        if b"\0" in chunk:
            raise CannotStart(
                "{file} has zero bytes; if it is UTF-16, say --encoding utf-16-le or utf-16-be.", file=path
            )
        if chunk.isascii() and not decoder.getstate()[0]:
            continue
        try:
            is_utf8 = is_utf8 and decoder.decode(chunk) is not None
        except UnicodeDecodeError:
            is_utf8 = False
        if len(sample) < _SAMPLE:
            sample += _BEYOND_ASCII.findall(chunk)
    if is_utf8 and not decoder.getstate()[0]:
        return "utf-8-sig"
    found = _most_likely(sample[:_SAMPLE])
    if found is None:
        raise CannotStart(
            "The encoding of {file} cannot be told from its bytes; say it with --encoding: gb18030, cp1252, utf-8 …",
            file=path,
        )
    return found


def _most_likely(stretches: Sequence[bytes]) -> str | None:
    """Tell apart UTF-8 with damage, Chinese and Western by stretches of bytes beyond ASCII; None when in doubt."""

    def share(test: Callable[[bytes], bool]) -> float:
        return sum(map(test, stretches)) / len(stretches)

    def is_text(encoding: str, good: Callable[[str], bool] = lambda _: True) -> Callable[[bytes], bool]:
        def test(stretch: bytes) -> bool:
            try:
                return good(stretch.decode(encoding))
            except UnicodeDecodeError:
                return False

        return test

    if share(is_text("utf-8")) >= 0.9 and len(stretches) >= 10:
        return "utf-8-sig"
    chinese = share(is_text("gb2312"))
    western = share(lambda stretch: len(stretch) == 1 and is_text("cp1252", str.isalpha)(stretch))
    if chinese >= 0.9 and western < 0.1 and any(len(stretch) >= 4 for stretch in stretches):
        return "gb18030"
    if western >= 0.9 and chinese < 0.1:
        return "cp1252"
    return None


class Rejects:
    """The file for rows that were not taken: line, reason and the cells as they came.

    Written beside its place and moved there at the end; with no row in it, the one of an earlier run goes away.
    A file there that is not ours stays, and `CannotStart` is raised before anything is done.
    """

    HEAD = ("line", "reason")

    def __init__(self, path: Path, headers: Sequence[str], language: str) -> None:
        self.path = path
        self.count = 0
        self.examples: list[str] = []
        """The first reasons, each with its line."""
        self._language = language
        self._part = path.with_name(f".{path.name}.part")
        self._headers = headers

    def __enter__(self) -> Self:
        try:
            if self.path.exists() and not self._ours():
                raise CannotStart(
                    "{file} is there and was not written by an import; move it away or name another with --rejects.",
                    file=self.path,
                )
            self._file = self._part.open("w", encoding="utf-8-sig", errors="replace", newline="")
        except OSError as error:
            raise CannotStart(
                "Cannot write {file}: {reason}. Name another place for rejected rows with --rejects.",
                file=self.path, reason=error.strerror or error,
            ) from error  # fmt: skip
        self._writer = csv.writer(self._file)
        self._writer.writerow([*self.HEAD, *map(_defused, self._headers)])
        return self

    def add(self, row: Row, error: Rejected) -> None:
        reason = say(self._language, error.reason, **error.values)
        if error.column:
            reason = f"{error.column}: {reason}"
        self.count += 1
        if self.count <= _EXAMPLES:
            self.examples.append(say(self._language, "line {line}: {reason}", line=row.line, reason=reason))
        self._writer.writerow([row.line, *map(_defused, (reason, *row.cells))])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None and self.count:
            self._part.replace(self.path)
            return
        self._part.unlink(missing_ok=True)
        if kind is None:
            self.path.unlink(missing_ok=True)

    def _ours(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(64).startswith(codecs.BOM_UTF8 + ",".join(self.HEAD).encode())


def _defused(cell: str) -> str:
    """The cell so that no spreadsheet takes it for a formula; `cleaned` undoes it."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and cell else cell


csv.field_size_limit(LONGEST_CELL)  # of the whole process; the default is 131,072
