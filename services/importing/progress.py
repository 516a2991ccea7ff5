"""How far is it, and how long will it take? A bar where somebody watches, plain lines now and then elsewhere."""

import sys
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from shared.i18n import say

_LINE_EVERY = 10.0
"""Seconds between plain lines."""


class Bar:
    """Progress on standard error."""

    def __init__(self, title: str, total: int, language: str) -> None:
        """`total` and `done` are of one unit, whichever; `rows` are what the rate counts."""
        self._title, self._total, self._language = title, max(total, 1), language
        self._began = self._said = monotonic()
        self._rows = 0
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=console, transient=True) if console.is_terminal else None
        if self._bar:
            self._task = self._bar.add_task(title, total=self._total, rate="")

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, done: int, rows: int) -> None:
        now = monotonic()
        rate = rows / max(now - self._began, 1e-9)
        if self._bar:
            said = say(self._language, "{rate} rows/s", rate=f"{rate:,.0f}")
            self._bar.update(self._task, completed=done, rate=said)
        elif now - self._said >= _LINE_EVERY:
            self._said = now
            left = (now - self._began) * (self._total - done) / max(done, 1)
            self.note(
                say(
                    self._language, "{title}: {percent} %, {rows} rows, {rate} rows/s, {left} s left",
                    title=self._title, percent=round(100 * done / self._total), rows=f"{rows:,}", rate=f"{rate:,.0f}",
                    left=round(left),
                )
            )  # fmt: skip

    def note(self, line: str) -> None:
        """A line of its own, above the bar."""
        if self._bar:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)
