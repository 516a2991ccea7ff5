"""Do README and guides say what is true? Their very lines run, beside a real Headset."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.processes import Process, stopped_at_the_end, wait_for

ROOT = Path(__file__).parents[2]


def walks(document: str) -> list[str]:
    """The blocks of a document that a reader runs as they stand."""
    return re.findall(r"```bash walk\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    home = tmp_path_factory.mktemp("readme")
    (home / ".venv").symlink_to(ROOT / ".venv")  # the lines stand in the folder that has it
    process = Process("up", "--data", str(home / ".headset"), environment={}, log=home / "said.txt")
    with stopped_at_the_end([process]):
        wait_for("the welcome", lambda: process.ready() and "Ctrl-C" in process.said, 120)
        yield process


def walked(centre: Process, blocks: list[str]) -> str:
    """What the lines print, one after the other, as a reader would type them."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(blocks)], cwd=centre.log.parent,
        env={**os.environ, "HEADSET": centre.url}, capture_output=True, text=True, timeout=150, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_from_a_call_log_to_an_appraisal_and_back(centre: Process) -> None:
    said = walked(centre, walks("README.md"))
    assert "rating" in said  # the reject of line 6 was shown
    assert '"cancelled"' in said.splitlines()[-2]


def test_from_headcount_to_an_employee(centre: Process) -> None:
    said = walked(centre, walks("README.md")[:1] + walks("docs/recruiting.md"))
    assert "refused, as it must be" in said
    assert '"employee_id"' in said.splitlines()[-2]


def test_what_all_routes_do_alike(centre: Process) -> None:
    said = walked(centre, walks("README.md")[:1] + walks("docs/api.md")).splitlines()
    assert said[:2] == ["200 /health/ready", "401 /qa/audits"]
    ids = [line for line in said if re.fullmatch(r"[0-9a-f-]{36}", line)]
    assert ids[0] == ids[1], "the same key made one employee"
    assert said.index("412") == said.index("200") + 1
    assert said[-1].count('"call_id"') == 1, "the call sent twice is there once"


def test_a_calibration_from_its_beginning_to_who_is_strict(centre: Process) -> None:
    said = walked(centre, walks("README.md")[:1] + walks("docs/calibration.md")).splitlines()
    assert said[:3] == ["0", "100", "0"]
    assert "All agree on 4 of 5 criteria." in said[3]
    assert '"auditor_id":"ann","n":1,"by_expert":1' in said[4]


def test_from_a_complaint_to_the_end_of_a_dispute(centre: Process) -> None:
    said = walked(centre, walks("README.md")[:1] + walks("docs/audits.md"))
    for check in ("answered_in_time 41 seconds", "complaint_closed 259200 seconds", "evasion 1 times"):
        assert f"not met: {check}" in said
    assert "[(1, 55, 'failed'), (2, 65, 'failed')]" in said
    assert '"criteria":["resolution"]' in said.splitlines()[-1]


@pytest.mark.parametrize("guide", ["docs/coaching-rules.md", "docs/appraisals.md", "docs/training.md"])
def test_a_guide_shows_what_its_lines_print(centre: Process, guide: str) -> None:
    said = walked(centre, walks("README.md")[:1] + walks(guide))
    shown = re.findall(r"```text\n(.*?)```", (ROOT / guide).read_text(encoding="utf-8"), re.DOTALL)
    assert shown
    assert [line for block in shown for line in block.splitlines() if line not in said] == []
