"""How do numbers that judge people look, inside and outside?

Inside they are `Decimal`. Outside, in JSON, they are plain numbers, written with the digits that they have.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated

from pydantic import Field, PlainSerializer

PLACES = Decimal("0.01")
"""Scores and points are rounded half-even to two places, once, when they are stored or shown."""


def rounded(value: Decimal, places: Decimal = PLACES) -> Decimal:
    """Half-even, to two places unless told."""
    return value.quantize(places, ROUND_HALF_EVEN)


def plain(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


Number = Annotated[Decimal, PlainSerializer(plain, return_type=int | float, when_used="json")]
Score = Annotated[Number, Field(ge=0, le=100, max_digits=7)]
