"""Does the embedded PostgreSQL start on whatever it finds, lose nothing, and leave nothing behind?"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import asyncpg
import pytest

from shared import postgres
from shared.errors import CannotStart
from shared.postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
START = "from pathlib import Path; from shared.postgres import EmbeddedPostgres; import sys, threading\n"
UNTIL_KILLED = "print(server.pid, flush=True); sys.stdin.read()\n"


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def child(code: str, directory: Path, wrap: Sequence[str] = ()) -> subprocess.Popen[str]:
    """A Headset of its own, to be killed."""
    return subprocess.Popen(
        [*wrap, sys.executable, "-c", START + textwrap.dedent(code), str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


async def execute(server: EmbeddedPostgres, statement: str) -> object:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster that was put away cleanly, to copy."""
    directory = tmp_path_factory.mktemp("made") / "pg"
    EmbeddedPostgres.start(directory, {"fsync": "off"}).stop()
    return directory


@pytest.fixture
def directory(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "pg")
    return tmp_path / "pg"


async def test_first_and_second_start_serve_the_same_durable_database(tmp_path: Path) -> None:
    with EmbeddedPostgres.start(tmp_path / "a" / "b") as server:
        await execute(server, "create table kept (n int)")
        await execute(server, "insert into kept values (7)")
        assert await execute(server, "show synchronous_commit") == "on"
        assert await execute(server, "show timezone") == "UTC"
        first = server.pid
    assert not alive(first)
    with EmbeddedPostgres.start(tmp_path / "a" / "b") as server:
        assert await execute(server, "select n from kept") == 7
    password = tmp_path / "a" / "b" / "cluster" / "password"
    assert password.stat().st_mode & 0o777 == 0o600


async def test_nobody_gets_in_without_the_password(directory: Path) -> None:
    with EmbeddedPostgres.start(directory) as server, pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.url, password="guessed")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the server on Linux only")
def test_the_server_ends_when_its_headset_is_killed(directory: Path) -> None:
    headset = child("server = EmbeddedPostgres.start(Path(sys.argv[1]))\n" + UNTIL_KILLED, directory)
    assert headset.stdout is not None
    pid = int(headset.stdout.readline())
    kill(headset)
    EmbeddedPostgres.start(directory).stop()  # at once, while the old one is still going
    assert not alive(pid)


async def test_a_left_over_server_is_found_and_stopped(directory: Path) -> None:
    # Started from a thread, a server is not told when its Headset dies.
    code = """
    started = []
    thread = threading.Thread(target=lambda: started.append(EmbeddedPostgres.start(Path(sys.argv[1]))))
    thread.start(); thread.join()
    [server] = started
    """
    headset = child(textwrap.dedent(code) + UNTIL_KILLED, directory)
    assert headset.stdout is not None
    left_over = int(headset.stdout.readline())
    kill(headset)
    assert alive(left_over)
    with EmbeddedPostgres.start(directory) as server:
        assert server.pid != left_over
        assert not alive(left_over)
        assert await execute(server, "select 1") == 1


def test_a_stale_pid_file_that_names_a_stranger_is_told_from_a_server(directory: Path) -> None:
    server = EmbeddedPostgres.start(directory)
    os.kill(server.pid, signal.SIGKILL)  # leaves its pid file
    server.stop()
    pid_file = directory / "cluster" / "data" / "postmaster.pid"
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *pid_file.read_text().split("\n")[1:]]))
        EmbeddedPostgres.start(directory).stop()
        assert stranger.poll() is None
    finally:
        stranger.communicate()


def test_an_empty_pid_file_is_no_trouble(directory: Path) -> None:
    (directory / "cluster" / "data" / "postmaster.pid").touch()
    EmbeddedPostgres.start(directory).stop()


def test_a_second_headset_on_the_same_directory_is_refused(directory: Path) -> None:
    with EmbeddedPostgres.start(directory) as server:
        with pytest.raises(CannotStart, match=rf"another Headset \(process {os.getpid()}\)"):
            EmbeddedPostgres.start(directory)
        assert alive(server.pid)


def test_ctrl_c_reaches_headset_only(directory: Path) -> None:
    code = "import signal; signal.signal(signal.SIGINT, lambda *_: print('caught', flush=True))\n"
    headset = child(code + "server = EmbeddedPostgres.start(Path(sys.argv[1]))\n" + UNTIL_KILLED, directory)
    assert headset.stdout is not None
    pid = int(headset.stdout.readline())
    os.killpg(headset.pid, signal.SIGINT)  # as the terminal does
    assert headset.stdout.readline() == "caught\n"
    log = (directory / "postgres.log").read_text()
    assert alive(pid)
    assert "shutdown request" not in log.rpartition("ready to accept connections")[2]
    kill(headset)
    wait_until(lambda: not alive(pid))


def test_killed_while_the_cluster_is_made(tmp_path: Path) -> None:
    headset = child("server = EmbeddedPostgres.start(Path(sys.argv[1]))\n" + UNTIL_KILLED, tmp_path / "pg")
    wait_until(lambda: list(tmp_path.glob("pg/new-*/data/base/1/*")))
    kill(headset)
    assert not (tmp_path / "pg" / "cluster").exists()
    EmbeddedPostgres.start(tmp_path / "pg", {"fsync": "off"}).stop()

    def gone_at_the_next_start() -> bool:  # the killed one's initdb may take a moment to notice
        EmbeddedPostgres.start(tmp_path / "pg").stop()
        return not list(tmp_path.glob("pg/new-*"))

    wait_until(gone_at_the_next_start)


def test_data_of_another_version(directory: Path) -> None:
    (directory / "cluster" / "data" / "PG_VERSION").write_text("19\n")
    with pytest.raises(CannotStart, match="is of PostgreSQL 19, this Headset brings 18: use"):
        EmbeddedPostgres.start(directory)


def test_something_else_in_the_place_of_the_data(directory: Path) -> None:
    shutil.rmtree(directory / "cluster" / "data")
    with pytest.raises(CannotStart, match="not a PostgreSQL data directory"):
        EmbeddedPostgres.start(directory)


def test_a_path_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match=r"cannot use .*file.* \(Not a directory\): make it writable"):
        EmbeddedPostgres.start(tmp_path / "file" / "pg")


def test_a_setting_that_cannot_be_names_the_reason_and_frees_the_directory(directory: Path) -> None:
    with pytest.raises(CannotStart, match=r'does not start: .*"shared_buffers".*postgres\.log'):
        EmbeddedPostgres.start(directory, {"shared_buffers": "many"})
    EmbeddedPostgres.start(directory).stop()


def test_a_port_taken_in_between(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1], postgres._free_port()]
        monkeypatch.setattr(postgres, "_free_port", lambda: ports.pop(0))
        EmbeddedPostgres.start(directory).stop()
    assert not ports


@pytest.mark.parametrize(
    ("mount", "reason"),
    [("size=24m", "no space left for the database in"), ("ro", r"cannot use .* \(Read-only file system\)")],
)
def test_a_full_or_read_only_disk(tmp_path: Path, mount: str, reason: str) -> None:
    """In a mount namespace of its own; being root only there, it also tries a namespace in a namespace."""
    place = tmp_path / "disk"
    place.mkdir()
    shell = f'mount -t tmpfs -o {mount} none {place} && exec "$0" "$@"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", shell]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    code = """
    from shared.errors import CannotStart
    try:
        EmbeddedPostgres.start(Path(sys.argv[1]))
    except CannotStart as error:
        print(error)
    """
    said, _ = child(code, place / "pg", namespace).communicate(timeout=60)
    assert re.search(reason, said), said


@pytest.mark.skipif(os.geteuid() != 0, reason="root's way")
async def test_root_where_user_namespaces_are_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launch = postgres._launch

    def forbidding(how: str, program: Sequence[str], **rest: int) -> list[str]:
        return ["false"] if how == "namespace" else launch(how, program, **rest)

    # Programs and data in a folder closed to all others, as in root's home.
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    programs = postgres.binaries()
    wheel = programs.parent.parent
    copied = closed / wheel.name / programs.parent.name
    shutil.copytree(programs.parent, copied)
    shutil.copytree(f"{wheel}.libs", closed / f"{wheel.name}.libs")
    monkeypatch.setattr(postgres, "binaries", lambda: copied / "bin")
    monkeypatch.setattr(postgres, "_launch", forbidding)
    with EmbeddedPostgres.start(closed / "pg", {"fsync": "off"}) as server:
        assert await execute(server, r"select pg_read_file('/proc/self/status') ~ 'Uid:\s+65534'")
        assert await execute(server, "select 1") == 1
    monkeypatch.undo()
    EmbeddedPostgres.start(closed / "pg").stop()  # the data has an owner now, and its server runs as that one
