"""Do numbers that judge people keep their digits?"""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from shared.numbers import Number, Score, rounded


class Shown(BaseModel):
    score: Score
    points: Number | None = None


@pytest.mark.parametrize(
    ("given", "shown"),
    [("80", "80"), ("80.00", "80"), ("80.50", "80.5"), ("0.1", "0.1"), ("99.99", "99.99"), ("0", "0")],
)
def test_json_numbers_with_the_digits_they_have(given: str, shown: str) -> None:
    assert Shown(score=Decimal(given)).model_dump_json() == f'{{"score":{shown},"points":null}}'


@given(st.decimals(0, 100, places=2))
def test_there_and_back(score: Decimal) -> None:
    text = Shown(score=score, points=-score).model_dump_json()
    again = Shown.model_validate_json(text)
    assert (again.score, again.points) == (score, -score)
    assert isinstance(json.loads(text)["score"], int | float)


@pytest.mark.parametrize("wrong", ["-0.01", "100.01", "NaN", "Infinity", "80.000001", "x"])
def test_what_is_no_score(wrong: str) -> None:
    with pytest.raises(ValidationError):
        Shown.model_validate({"score": wrong})


def test_half_even() -> None:
    assert [str(rounded(Decimal(v))) for v in ("0.125", "0.135", "0.115", "2")] == ["0.12", "0.14", "0.12", "2.00"]
