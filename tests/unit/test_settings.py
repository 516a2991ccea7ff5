"""Do settings come from where they should, and are wrong ones named?"""

from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr, ValidationError

from shared.db import engine_url
from shared.settings import Settings


def test_defaults_are_those_of_the_documentation() -> None:
    settings = Settings()
    assert settings.zone == ZoneInfo("Asia/Shanghai")
    assert settings.host == "127.0.0.1"


def test_common_names_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://common/x")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:9092")
    monkeypatch.setenv("HEADSET_QA_DATABASE_URL", "postgresql://own/x")
    settings = Settings()
    assert settings.kafka == "broker:9092"
    assert settings.url_of("qa") == "postgresql://own/x"
    assert settings.url_of("training") == "postgresql://common/x"
    monkeypatch.setenv("HEADSET_DATABASE_URL", "postgresql://ours/x")
    assert Settings().url_of("training") == "postgresql://ours/x"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "HEADSET_PORT", "HEADSET_TIMEZONE", "HEADSET_JWT_KEY"):
        monkeypatch.setenv(name, "")
    settings = Settings()
    assert (settings.database_url, settings.port, settings.timezone, settings.jwt_key) == (
        None,
        8000,
        "Asia/Shanghai",
        None,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("TIMEZONE", "Mars/Olympus"), ("TIMEZONE", "../etc"), ("PORT", "99999"), ("LANGUAGE", "fr")],
)
def test_wrong_ones_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"HEADSET_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_the_key_is_not_shown() -> None:
    assert "secret words" not in repr(Settings(jwt_key=SecretStr("secret words")))


@pytest.mark.parametrize(
    ("given", "host", "query"),
    [
        ("postgres://u:p%40@h:5/d", "h", {}),
        ("postgresql://u@h/d?sslmode=require", "h", {"ssl": "require"}),
        ("postgresql+asyncpg://u@h/d", "h", {}),
        ("postgresql:///d?host=/var/run/postgresql", None, {"host": "/var/run/postgresql"}),
    ],
)
def test_addresses_of_databases(given: str, host: str | None, query: dict[str, str]) -> None:
    url = engine_url(given)
    assert (url.drivername, url.host, dict(url.query)) == ("postgresql+asyncpg", host, query)
