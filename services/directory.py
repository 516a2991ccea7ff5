"""What is in the data directory of embedded mode?

.headset/
    format          which layout of this directory it is
    signing.key     what tokens are signed with
    demo.json       what the demo centre is, once it is there
    headset.log     JSON logs
    postgres/       the server and its data (shared.postgres)
"""

import json
from pathlib import Path
from typing import TextIO

from shared.errors import CannotStart
from shared.tokens import own_key

FORMAT = 1
"""Rises when this directory's layout changes in a way that older releases cannot read."""


def prepare(directory: Path) -> TextIO:
    """Have a directory that this release can use, and in it a file for the logs; or raise `CannotStart`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark = directory / "format"
        if mark.exists():
            found = mark.read_text().strip()
            if not found.isdigit() or int(found) > FORMAT:
                raise CannotStart(
                    "{directory} was written by a newer release of Headset; install that one, or name another "
                    "directory with --data.",
                    directory=directory,
                )  # fmt: skip
        else:
            mark.write_text(f"{FORMAT}\n")
        own_key(directory)
        return (directory / "headset.log").open("a", encoding="utf-8")
    except OSError as error:
        raise CannotStart(
            "Cannot write to {directory}: {reason}. Free the disk or name another directory with --data.",
            directory=directory, reason=error.strerror or error,
        ) from error  # fmt: skip


def remembered(directory: Path) -> dict[str, object]:
    """What `demo.json` says; empty where there is no demo centre."""
    try:
        found: dict[str, object] = json.loads((directory / "demo.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found
