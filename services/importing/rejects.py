"""Where do rows go that cannot be taken?"""

import codecs
import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from services.importing.table import Row
from services.importing.values import FORMULA, Rejected
from shared.errors import CannotStart
from shared.i18n import say

_EXAMPLES = 3


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
            raise self._trouble(error) from error
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
        try:
            self._writer.writerow([row.line, *map(_defused, (reason, *row.cells))])
        except OSError as error:
            raise self._trouble(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
            if kind is None and self.count:
                self._part.replace(self.path)
            elif kind is None:
                self.path.unlink(missing_ok=True)
        except OSError as trouble:
            raise self._trouble(trouble) from trouble
        finally:
            self._part.unlink(missing_ok=True)

    def _trouble(self, error: OSError) -> CannotStart:
        return CannotStart(
            "Cannot write {file}: {reason}. Name another place for rejected rows with --rejects.",
            file=self.path, reason=error.strerror or error,
        )  # fmt: skip

    def _ours(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(64).startswith(codecs.BOM_UTF8 + ",".join(self.HEAD).encode())


def _defused(cell: str) -> str:
    """The cell so that no spreadsheet takes it for a formula; `cleaned` undoes it."""
    return f"'{cell}" if cell[:1] in FORMULA and cell else cell
