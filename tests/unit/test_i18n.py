"""Does everybody read the language they asked for?"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared import i18n
from shared.fields import Said
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


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: UUID
    day: date
    at: AwareDatetime
    n: Annotated[int, Field(gt=0, lt=9)]
    m: Annotated[int, Field(ge=0, le=9)]
    word: Annotated[str, Field(min_length=2, max_length=3)]
    key: Annotated[str, Field(pattern="^a$")]
    kind: Literal["a", "b"]
    money: Annotated[Decimal, Field(decimal_places=2)]
    share: float
    some: Annotated[list[int], Field(min_length=1, max_length=2)]
    yes: bool
    names: dict[str, int]


WRONG: tuple[dict[str, Any], ...] = (
    {},
    dict.fromkeys(("id", "day", "at", "n", "m", "word", "key", "kind", "money", "share", "some", "yes", "names", "z")),
    {"id": "x", "day": "x", "at": "x", "n": 0, "m": -1, "word": "x", "key": "x", "kind": "x", "money": "1.234",
     "share": "x", "some": [], "yes": "x", "names": []},
    {"day": "2026-03-01T01:00:00", "at": "2026-03-01T01:00:00", "n": 9, "m": 10, "word": "xxxx", "money": "x",
     "some": [1, 2, 3], "names": "x"},
    {"n": 1.5, "m": "x", "money": [], "share": []},
)  # fmt: skip


@pytest.mark.parametrize("values", WRONG)
def test_what_is_wrong_with_a_field_is_said_in_chinese(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as wrong:
        Shape.model_validate(values)
    for error in wrong.value.errors():
        said = Said.of(error)
        assert (said, said.to("en")) == (error["msg"], error["msg"])
        chinese = said.to("zh")
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese), error
        assert "{" not in chinese


def test_what_no_sentence_is_known_for_is_said_in_english() -> None:
    with pytest.raises(ValidationError) as wrong:
        TypeAdapter(bytes).validate_python(1)
    [error] = wrong.value.errors()
    assert Said.of(error).to("zh") == error["msg"]
