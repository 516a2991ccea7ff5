"""Does everybody read the language they asked for?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import i18n
from shared.i18n import LANGUAGES, preferred, say


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"), ("", "en"), ("zh", "zh"), ("zh-CN", "zh"), ("ZH-hans-cn", "zh"), ("en-GB,zh;q=0.9", "en"),
        ("zh;q=0.1,en;q=0.9", "en"), ("en;q=0.1, zh; q=0.9", "zh"), ("fr,de;q=0.9,zh;q=0.1", "zh"), ("fr", "en"),
        ("*", "en"), ("zh;q=0", "en"), ("zh;q=0,*", "en"), ("zh;q=nonsense", "en"), ("zh;q=-1", "en"),
        ("zh;q=nan", "en"), (",,;;q=,zh", "zh"),
    ],
)  # fmt: skip
def test_the_language_of_a_header(header: str | None, language: str) -> None:
    assert preferred(header, "en") == language


def test_where_nothing_fits_the_centres_language_is_spoken() -> None:
    assert preferred("fr", "zh") == "zh"


@given(st.text())
def test_any_header_leads_to_a_language_we_speak(header: str) -> None:
    assert preferred(header, "en") in LANGUAGES


def test_values_are_filled_in_whatever_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        i18n, "catalogue", lambda language: {"{n} of {all}": "共 {all} 个,第 {n} 个"} if language == "zh" else {}
    )
    assert say("zh", "{n} of {all}", n=1, all="{x}") == "共 {x} 个,第 1 个"
    assert say("en", "{n} of {all}", n=1, all=2) == "1 of 2"
    assert say("zh", "not in the catalogue {n}", n=1) == "not in the catalogue 1"
    assert say("en", "braces {stay} without values") == "braces {stay} without values"
