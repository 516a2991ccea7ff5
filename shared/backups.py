"""How is a service put into a file, and out of it again?

A backup is a zip file of two: `about.json`, what it is and up to where the service's workers had read each topic
*before* the dump began, and `dump`, by pg_dump in its custom format, one snapshot. So what the dump lacks of the
letters that came is behind those positions, and a restored service that reads on from there lacks nothing that Kafka
still holds. A backup that broke off never has the name that was asked for.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import make_url

from shared.errors import CannotStart
from shared.postgres import binaries


class About(BaseModel):
    """What a backup says of itself."""

    format: int = 1
    services: list[str]
    taken_at: datetime
    positions: dict[str, dict[str, dict[int, int]]] | None
    """Service → topic → partition → offset; null where Kafka was not asked, as in embedded mode."""


def write(file: Path, url: str, about: About) -> int:
    """Put the schemas of these services into a file; its bytes."""
    part = file.with_name(file.name + ".part")
    wanted = [f"--schema={service}" for service in about.services]
    try:
        with zipfile.ZipFile(part, "w") as out:
            out.writestr("about.json", about.model_dump_json(indent=1))
            with out.open("dump", "w", force_zip64=True) as dump:
                options = ["--format=custom", "--no-owner", "--no-privileges", "--lock-wait-timeout=60s", *wanted]
                _run("pg_dump", options, url, into=dump)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(file)
    except OSError as error:
        raise CannotStart(
            "Cannot write {file}: {reason}. Free the disk, or name a file elsewhere.",
            file=file, reason=error.strerror or error,
        ) from error  # fmt: skip
    finally:
        part.unlink(missing_ok=True)
    return file.stat().st_size


def about(file: Path) -> About:
    """Raises `CannotStart` for a file that is no backup, or of a newer kind."""
    try:
        with zipfile.ZipFile(file) as found:
            said = About.model_validate_json(found.read("about.json"))
            if said.format == 1 and "dump" in found.namelist():
                return said
    except (OSError, KeyError, zipfile.BadZipFile, ValidationError) as error:
        raise CannotStart("{file} is no backup of Headset: {reason}.", file=file, reason=error) from error
    raise CannotStart("{file} was written by a newer release of Headset; install that release.", file=file)


def read(file: Path, url: str) -> None:
    """Put what the file holds into the database, all or nothing; its schemas must not be there."""
    with zipfile.ZipFile(file) as found, found.open("dump") as dump:
        restore_dump(dump, url)


def restore_dump(dump: IO[bytes], url: str) -> None:
    """Put what `pg_dump` wrote in its custom format into a database, all or nothing."""
    options = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", "--dbname="]
    _run("pg_restore", options, url, out_of=dump)


def _run(
    program: str, options: Sequence[str], url: str, *, into: IO[bytes] | None = None, out_of: IO[bytes] | None = None
) -> None:
    command, where = [_found(program), *options], _connection(url)
    if program == "pg_restore":
        command[-1] += where["PGDATABASE"]
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(
            command,
            env={"PATH": os.defpath, "LC_ALL": "C", **where},
            stdin=subprocess.PIPE if out_of else subprocess.DEVNULL,
            stdout=subprocess.PIPE if into else subprocess.DEVNULL,
            stderr=complaints,
        ) as process:
            try:
                if into and process.stdout:
                    shutil.copyfileobj(process.stdout, into, 1024 * 1024)
                if out_of and process.stdin:
                    with contextlib.suppress(BrokenPipeError):  # it has ended, and says why
                        shutil.copyfileobj(out_of, process.stdin, 1024 * 1024)
                        process.stdin.close()
            except BaseException:
                process.kill()
                raise
        code = process.returncode
        complaints.seek(0)
        said = complaints.read().decode(errors="replace").strip().splitlines()
    if code:
        reason = next((line for line in said if "error" in line), said[-1] if said else code)
        raise CannotStart("{program} failed: {reason}.", program=program, reason=reason)


def _found(program: str) -> str:
    """The one that comes with embedded PostgreSQL, for it must not be older than the server; else the system's."""
    try:
        own = binaries() / program
    except CannotStart:
        own = None
    path = str(own) if own and own.exists() else shutil.which(program)
    if path is None:
        raise CannotStart(
            "{program} is missing: install headset[embedded], or the PostgreSQL client of your system.",
            program=program,
        )
    return path


def _connection(url: str) -> dict[str, str]:
    """As libpq's variables: what is on a command line, others on the machine can read."""
    parsed: Any = make_url(url)
    found: Mapping[str, Any] = {
        "PGHOST": parsed.host, "PGPORT": parsed.port, "PGUSER": parsed.username, "PGPASSWORD": parsed.password,
        "PGDATABASE": parsed.database, "PGSSLMODE": parsed.query.get("sslmode"),
        "PGSSLROOTCERT": parsed.query.get("sslrootcert"),
    }  # fmt: skip
    return {name: str(value) for name, value in found.items() if value is not None}
