"""How does a fresh checkout get what it needs to run? `python3 tools/environment.py [--dev]` makes `.venv`.

Standard library only, and in words that Python 3.6 can read, so that an old Python gets a sentence and no
SyntaxError. Safe to kill at any moment and to run twice at once: a lock lets one work at a time, and the
stamp that says "complete" is removed first and written last; without it the next run starts from nothing.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - it is the very purpose of this line
    sys.exit(
        f"Headset needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}. "
        "Name a newer one: make run PYTHON=python3.12"
    )

import argparse
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME, DEV = "requirements.lock", "requirements-dev.lock"  # DEV contains RUNTIME, in the same versions

# The project is put on the path by a .pth file and a script of three lines, instead of `pip install
# --editable`: no build back-end to pin and fetch, no egg-info in the tree, nothing that a kill could leave
# half done.
SCRIPT = """#!{python}
import sys
from services.__main__ import main
sys.exit(main())
"""


class Trouble(Exception):
    """Something the user has to put right; the message is one line that says what."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Make or update .venv from the lock files.")
    parser.add_argument("--dev", action="store_true", help="with what tests and checks need")
    try:
        prepare(ROOT, dev=parser.parse_args().dev)
    except Trouble as trouble:
        print(f"environment: {trouble}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"environment: cannot write {error.filename or ROOT}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("environment: interrupted; run it again", file=sys.stderr)
        return 130
    return 0


def prepare(root: Path, *, dev: bool) -> None:
    if complete(root, dev):
        return
    with only_one(root / ".cache" / "environment.lock") as lock:
        if complete(root, dev):  # the one that we waited for has done it
            return
        runtime_is_there = complete(root, dev=False)
        stamp_path(root).unlink(missing_ok=True)
        if not runtime_is_there:
            make_venv(root / ".venv")
        install(root, DEV if dev else RUNTIME, lock)
        link_project(root)
        temporary = stamp_path(root).with_suffix(".new")
        temporary.write_text("\n".join([stamp(root, RUNTIME)] + ([stamp(root, DEV)] if dev else [])))
        temporary.replace(stamp_path(root))
        print("environment: ready", flush=True)


def stamp_path(root: Path) -> Path:
    return root / ".venv" / "headset.stamp"


def stamp(root: Path, lock: str) -> str:
    """All that makes an environment useless when it changes; its place too, for scripts name it."""
    parts = [
        lock,
        sys.version,
        os.path.realpath(sys.executable),
        str(root),
        SCRIPT,
        (root / lock).read_text(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def complete(root: Path, dev: bool) -> bool:
    try:
        levels = stamp_path(root).read_text().split()
    except OSError:
        return False
    wanted = [stamp(root, RUNTIME)] + ([stamp(root, DEV)] if dev else [])
    # A link to an interpreter that was uninstalled since does not exist.
    return set(wanted) <= set(levels) and (root / ".venv" / "bin" / "python").exists()


@contextmanager
def only_one(path: Path) -> Iterator[int]:
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("environment: another one is at it, waiting", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()  # freed by the kernel when this process and its pip have ended, however


def make_venv(path: Path) -> None:
    if importlib.util.find_spec("ensurepip") is None:  # Debian and Ubuntu keep it in a package of its own
        raise Trouble("this Python has no venv module; on Debian or Ubuntu: apt-get install python3-venv")
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"environment: making .venv with Python {version}", flush=True)
    if path.is_symlink():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        raise Trouble(f"cannot remove {path}; does it belong to another user?")
    try:
        venv.create(path, with_pip=True, symlinks=True)
    except subprocess.CalledProcessError as error:
        raise Trouble(f"cannot make {path}: {(error.output or b'').decode().strip() or error}") from None


def install(root: Path, lock: str, held: int) -> None:
    wanted = sum(line.rstrip().endswith("\\") and "==" in line for line in (root / lock).read_text().splitlines())
    print(f"environment: installing {wanted} packages from {lock}", flush=True)
    misleading = (
        "PIP_USER",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_REQUIRE_VIRTUALENV",
        "PYTHONPATH",
        "PYTHONHOME",
    )
    surroundings = {name: value for name, value in os.environ.items() if name not in misleading}
    command = [
        ".venv/bin/python",
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "-r", lock]
    log: list[str] = []
    done, on_terminal = 0, sys.stdout.isatty()
    with subprocess.Popen(
        command,
        cwd=root,
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=[held],  # should we be killed, nobody starts over before it too has ended
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            log.append(line)
            first, _, rest = line.strip().partition(" ")
            if first == "Collecting":
                done += 1
                if on_terminal:
                    print(f"\r\033[K  {done}/{wanted} {rest.split(' ')[0]}", end="", flush=True)
            elif first == "Installing" and on_terminal:
                print("\r\033[K  unpacking", end="", flush=True)
    if on_terminal:
        print("\r\033[K", end="", flush=True)
    if pip.returncode:
        print("".join(log[-15:]), file=sys.stderr, end="")
        raise Trouble("pip could not install the packages (its last words are above); run it again")


def link_project(root: Path) -> None:
    [packages] = (root / ".venv" / "lib").glob("python3.*/site-packages")
    (packages / "headset.pth").write_text(f"{root}\n")
    script = root / ".venv" / "bin" / "headset"
    script.write_text(SCRIPT.format(python=root / ".venv" / "bin" / "python"))
    script.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
