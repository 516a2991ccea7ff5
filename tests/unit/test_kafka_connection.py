"""How does a client reach brokers that ask who it is? (That it does, `tests/deploy/test_running.py` shows.)"""

import ssl
from pathlib import Path

import pytest

from shared.errors import CannotStart
from shared.kafka import KafkaBus, connection
from shared.settings import Settings


def test_without_further_settings_it_is_plain() -> None:
    assert connection(Settings(kafka="k:1")) == {"bootstrap_servers": "k:1", "security_protocol": "PLAINTEXT"}


def test_a_user_needs_a_password() -> None:
    with pytest.raises(CannotStart, match="KAFKA_PASSWORD"):
        KafkaBus(Settings(kafka_security_protocol="SASL_SSL", kafka_username="me"))


def test_a_user_is_proved_by_scram() -> None:
    settings = Settings(kafka_security_protocol="SASL_PLAINTEXT", kafka_username="me", kafka_password="of-nobody-else")
    assert connection(settings).items() >= {
        "sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "me", "sasl_plain_password": "of-nobody-else",
    }.items()  # fmt: skip
    assert "of-nobody-else" not in repr(settings)


def test_certificates_are_checked_and_names_too() -> None:
    context = connection(Settings(kafka_security_protocol="SSL"))["ssl_context"]
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_cannot_be_read_is_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CannotStart) as raised:
        KafkaBus(Settings(kafka_security_protocol="SSL", kafka_ca=file))
    assert raised.value.values["file"] == file
