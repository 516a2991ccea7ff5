"""Is the key of an installation made once, and kept to its owner?"""

import stat
import threading
from pathlib import Path

from pydantic import SecretStr

from shared.settings import Settings
from shared.tokens import Verifier, own_key, sign


def test_a_key_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    key = own_key(tmp_path)
    assert len(key) >= 32
    assert own_key(tmp_path) == key
    [file] = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    together = threading.Barrier(8)
    keys: list[str] = []

    def start() -> None:
        together.wait()
        keys.append(own_key(tmp_path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert len(list(tmp_path.iterdir())) == 1


async def test_what_is_signed_is_accepted_with_all_settings() -> None:
    settings = Settings(jwt_key=SecretStr("x" * 32), jwt_issuer="us", jwt_audience="headset")
    principal = await Verifier(settings).principal(sign(settings, "me", "auditor", "admin"))
    assert (principal.sub, principal.roles) == ("me", frozenset({"auditor", "admin"}))
    assert principal.employee_id is None


async def test_remembered_tokens_are_forgotten_in_time() -> None:
    settings = Settings(jwt_key=SecretStr("x" * 32))
    verifier = Verifier(settings, remembered=3)
    for n in range(10):
        assert (await verifier.principal(sign(settings, f"user-{n}", "agent"))).sub == f"user-{n}"
    assert len(verifier._seen) == 3
