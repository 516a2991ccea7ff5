"""Does the README say what is true? Its very lines run, beside a real Headset."""

import os
import re
import subprocess
from pathlib import Path

from tests.system.processes import Process, stopped_at_the_end, wait_for

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_walk_from_a_call_log_to_an_appraisal_and_back(tmp_path: Path) -> None:
    lines = "".join(re.findall(r"```bash walk\n(.*?)```", README, re.DOTALL))
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")  # the README's lines stand in the folder that has it
    centre = Process("up", "--data", str(tmp_path / ".headset"), environment={}, log=tmp_path / "said.txt")
    with stopped_at_the_end([centre]):
        wait_for("the welcome", lambda: centre.ready() and "Ctrl-C" in centre.said, 120)
        walked = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines], cwd=tmp_path, env={**os.environ, "HEADSET": centre.url},
            capture_output=True, text=True, timeout=150, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    assert walked.returncode == 0, walked.stdout[-3000:] + walked.stderr[-3000:]
    assert "rating" in walked.stdout  # the reject of line 6 was shown
    assert '"cancelled"' in walked.stdout.splitlines()[-2]

