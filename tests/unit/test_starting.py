"""Does a command load what it needs and no more? Containers wait for it, and guides run one before each request."""

import subprocess
import sys


def loaded(code: str) -> set[str]:
    """The modules that a new Python has loaded after this."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_one_service_comes_without_the_others() -> None:
    modules = loaded("import services.__main__, services.embedded; from services.one import named; named('training')")
    assert "services.training.app" in modules
    assert not {f"services.{other}" for other in ("recruiting", "performance", "qa")} & modules


def test_a_token_needs_no_server_and_no_client() -> None:
    modules = loaded("import services.__main__, services.directory")
    assert not {"httpx", "structlog", "fastapi", "sqlalchemy", "aiokafka"} & modules
