"""Does `tools/environment.py` make a whole environment or none, once, and say clearly what it lacks?"""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tools import environment
from tools.environment import Trouble, complete, prepare


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that needs nothing, whose environment is made quickly, without pip."""
    (tmp_path / environment.RUNTIME).write_text("# nothing\n")
    (tmp_path / environment.DEV).write_text("# nothing\n")
    create = venv.create
    monkeypatch.setattr(venv, "create", lambda path, **options: create(path, symlinks=True))
    return tmp_path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lock files that would have been installed."""
    locks: list[str] = []
    monkeypatch.setattr(environment, "install", lambda root, lock, held: locks.append(lock))
    return locks


def test_made_once_and_made_again_when_something_changed_or_was_cut_short(root: Path, installed: list[str]) -> None:
    prepare(root, dev=False)
    assert complete(root, dev=False)
    assert not complete(root, dev=True)
    headset = (root / ".venv" / "bin" / "headset").read_text()
    assert headset.startswith(f"#!{root}/.venv/bin/python\n")
    paths = subprocess.run(
        [root / ".venv/bin/python", "-c", "import sys; print(sys.path)"], capture_output=True, text=True
    )
    assert repr(str(root)) in paths.stdout

    kept = root / ".venv" / "kept"
    kept.touch()
    prepare(root, dev=False)
    prepare(root, dev=True)  # adds to what is there
    assert kept.exists()
    assert complete(root, dev=True)
    prepare(root, dev=False)  # dev contains runtime
    assert complete(root, dev=True)
    assert installed == [environment.RUNTIME, environment.DEV]

    environment.stamp_path(root).unlink()  # as a kill in the middle leaves it
    prepare(root, dev=False)
    assert not kept.exists()

    (root / environment.RUNTIME).write_text("# something else\n")
    assert not complete(root, dev=False)


def test_two_at_once(root: Path) -> None:
    (root / "tools").mkdir()
    shutil.copy(environment.__file__, root / "tools")
    command = [sys.executable, "tools/environment.py"]
    both = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=120)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert "".join(said).count("making .venv") == 1


def test_a_failing_install_leaves_no_stamp(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Trouble, match="pip could not install"):
        prepare(root, dev=False)
    assert not environment.stamp_path(root).exists()
    assert "No module named pip" in capfd.readouterr().err


def test_python_without_venv(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Trouble, match="apt-get install python3-venv"):
        prepare(root, dev=False)


def test_an_old_python_can_read_it_down_to_the_sentence() -> None:
    ast.parse(Path(environment.__file__).read_text(), feature_version=(3, 6))


def test_nothing_to_do_imports_nothing_slow() -> None:
    """`make` asks before every target."""
    code = "import sys; import tools.environment; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert not {"pip", "asyncio", "pydantic"} & set(done.stdout.split())
