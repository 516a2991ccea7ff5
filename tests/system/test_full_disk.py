"""The disk of an embedded Headset is full: is it said, is nothing acknowledged lost, and does it go on by itself?"""

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from shared.identity import sign
from shared.settings import Settings
from tests.system.processes import Process, stopped_at_the_end, wait_for


def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path) -> None:
    """On a small disk in a mount namespace of its own, which this test fills through /proc."""
    place = tmp_path / "disk"
    place.mkdir()
    shell = f'mount -t tmpfs -o size=120m none {place} && exec "$0" "$@"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", shell]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    centre = Process(
        "up", "--no-demo", "--data", str(place / "data"), environment={}, log=tmp_path / "said.txt",
        program=(*namespace, sys.executable, "-m", "services"),
    )  # fmt: skip
    with stopped_at_the_end([centre]):
        wait_for("the welcome", lambda: centre.ready() and "Ctrl-C" in centre.said, 120)
        inside = Path(f"/proc/{centre.pid}/root{place}")
        key = (inside / "data" / "signing.key").read_text().strip()
        client = httpx.Client(
            base_url=centre.url, timeout=30,
            headers={"Authorization": f"Bearer {sign(Settings(jwt_key=key), 'ann', 'admin')}"},
        )  # fmt: skip
        stored: list[str] = []

        def add() -> httpx.Response:
            login = f"login-{len(stored)}"
            answer = client.post("/recruiting/employees", json={"agent_id": login, "role": "agent"})
            if answer.is_success:
                stored.append(login)
            return answer

        assert add().status_code == 201
        with (inside / "filler").open("wb", buffering=0) as filler:
            while free := shutil.disk_usage(inside).free:
                filler.write(b"x" * min(free, 1024 * 1024))
        # The very one: a checkpoint may find room for the next.
        refused = wait_for("a refusal", lambda: None if (answer := add()).is_success else answer)
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert "Retry-After" in refused.headers
        (inside / "filler").unlink()
        wait_for("going on", lambda: add().is_success)
        there: list[str] = []
        cursor = None
        while True:
            params = {"limit": 500} | ({"cursor": cursor} if cursor else {})
            page = client.get("/recruiting/employees", params=params).raise_for_status().json()
            there += [person["agent_id"] for person in page["items"]]
            if (cursor := page["next_cursor"]) is None:
                break
        assert sorted(there) == sorted(stored)
        client.close()
    assert "Traceback" not in centre.said
