"""What is in the file? Its delimiter, its headers, its rows.

Read as a stream: a file of any length, with lines of any length, takes the same memory.
"""

import csv
import io
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self, TextIO

from services.importing import mapping
from services.importing.encoding import encoding_of, known_encoding
from services.importing.values import Rejected, cleaned
from shared.errors import CannotStart

LONGEST_LINE = 1024 * 1024
LONGEST_CELL = 100_000
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_HEAD = 256 * 1024
"""Characters among which the line of the headers is looked for."""
_LINES_ABOVE = 20
"""Titles and blank lines there may be above the headers."""
_EXCEL_DELIMITER = re.compile(r"\ufeff?sep=(.)\r?\n")
"""The first line by which Excel is told the delimiter."""


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
            with _opened(self.path, self.encoding) as file:
                for count, row in enumerate(_records(file, self.delimiter)):
                    if not count % 500:
                        at(os.lseek(file.fileno(), 0, os.SEEK_CUR))
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
            values = {"file": self.path, "encoding": self.encoding}
            raise CannotStart("{file} is not in the encoding {encoding}.", **values) from error
        except OSError as error:
            reason = error.strerror or error
            raise CannotStart("Cannot read {file}: {reason}.", file=self.path, reason=reason) from error


def open_table(
    path: Path, kind: mapping.Kind, chosen: Mapping[str, str], *,
    encoding: str | None = None, delimiter: str | None = None, headers: bool = True,
) -> Table:  # fmt: skip
    """Find out how to read a file. Raises `CannotStart` when that cannot be done or not be decided.

    Without `headers` the columns are called #1, #2 and so on.
    """
    mark = DELIMITERS.get(delimiter, delimiter) if delimiter else None
    if mark is not None and (len(mark) != 1 or mark in '"\r\n '):
        raise CannotStart(
            "A delimiter is one character, or comma, semicolon, tab or pipe; not {text}.", text=repr(mark)
        )
    try:
        if not path.is_file():
            raise CannotStart("There is no file {file}.", file=path)
        size = path.stat().st_size
        encoding = known_encoding(encoding) if encoding else encoding_of(path)
        with _opened(path, encoding) as file:
            head = file.read(_HEAD)
    except UnicodeDecodeError as error:
        raise CannotStart("{file} is not in the encoding {encoding}.", file=path, encoding=encoding) from error
    except OSError as error:
        raise CannotStart("Cannot read {file}: {reason}.", file=path, reason=error.strerror or error) from error
    named = _EXCEL_DELIMITER.match(head)
    above = 1 if named else 0
    if named and mark is None:
        mark = named[1]
    found: tuple[int, int, str, Row] | None = None
    for choice in [mark] if mark else DELIMITERS.values():
        below = (row for row in _records(io.StringIO(head, newline=""), choice) if row.line > above)
        for n, row in enumerate(islice(below, _LINES_ABOVE if headers else 1)):
            known, width = mapping.known(row.cells, kind, chosen), 0 if n else len(row.cells)
            if found is None or (known, width) > found[:2]:
                found = (known, width, choice, row)
    if found is None:
        raise CannotStart("{file} is empty.", file=path)
    _, _, mark, row = found
    if headers:
        return Table(path, encoding, mark, row.line, [cleaned(header.lstrip("\ufeff")) for header in row.cells], size)
    return Table(path, encoding, mark, row.line - 1, [f"#{n}" for n, _ in enumerate(row.cells, 1)], size)


def _records(file: TextIO, delimiter: str) -> Iterator[Row]:
    """All records but blank ones.

    Where quotation marks do not pair up, only the line where that begins is lost: reading goes on with the next.
    """
    lines = _Lines(file)
    records = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        begin = lines.begin_record()
        try:
            cells = next(records)
        except StopIteration:
            return
        except (csv.Error, _TooLong) as error:
            first = lines.take_back()
            if isinstance(error, _TooLong) or len(first) > LONGEST_CELL:
                most = f"{LONGEST_CELL:,}"
                yield Row(begin, [first[:1000]], Rejected("a cell or a line of more than {most} characters", most=most))
            else:
                yield Row(begin, [first.rstrip("\r\n")], Rejected("the quotation marks do not pair up"))
        else:
            if any(map(str.strip, cells)):
                yield Row(begin, cells)


class _TooLong(Exception):
    """A line that does not end."""


class _Lines:
    """The lines of a file, counted. Those of the record being read can be taken back, but the first."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._record: list[str] = []
        self._again: deque[str] = deque()
        self._number = 0

    def begin_record(self) -> int:
        """The number of the line that comes next."""
        self._record.clear()
        return self._number + 1

    def take_back(self) -> str:
        """Give the lines of this record again but for the first, which is returned."""
        first, *rest = self._record
        self._again.extendleft(reversed(rest))
        self._number -= len(rest)
        return first

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._file.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self._number += 1
        self._record.append(line)
        if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
            while (rest := self._file.readline(LONGEST_LINE)) and rest[-1] not in "\r\n":
                pass
            raise _TooLong
        return line


def _opened(path: Path, encoding: str) -> io.TextIOWrapper:
    # Bytes that are no text stay recognisable (as lone surrogates), so that only their rows are refused.
    return path.open(encoding=encoding, errors="surrogateescape", newline="")


csv.field_size_limit(LONGEST_CELL)  # of the whole process; the default is 131,072
