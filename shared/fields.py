"""What is wrong with a field, in the language of whoever sent it?

Pydantic says it in English; here are the sentences for what people come across, by the type of the error, for the
catalogue to translate. What has none is said in English.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from shared.i18n import say


def phrase(sentence: str) -> str:
    """A sentence for the catalogue, said later."""
    return sentence


_NUMBER = phrase("must be a number")
_WHOLE = phrase("must be a whole number")
_TEXT = phrase("must be a text")
_DATE = phrase("must be a date such as 2026-03-01")
_TIME = phrase("must be a time such as 2026-03-01T09:00:00+08:00")
_LIST = phrase("must be a list")
_OBJECT = phrase("must be an object")
_UUID = phrase("must be a UUID")
_TRUTH = phrase("must be true or false")
_SENTENCES: Mapping[str, str] = {
    "missing": phrase("is required"),
    "extra_forbidden": phrase("is not known here"),
    "literal_error": phrase("must be one of: {expected}"),
    "string_type": _TEXT,
    "string_too_short": phrase("needs {min_length} characters at least"),
    "string_too_long": phrase("may have {max_length} characters at most"),
    "string_pattern_mismatch": phrase("must match the pattern {pattern}"),
    "too_short": phrase("needs {min_length} entries at least"),
    "too_long": phrase("may have {max_length} entries at most"),
    "greater_than": phrase("must be above {gt}"),
    "greater_than_equal": phrase("must be {ge} or more"),
    "less_than": phrase("must be below {lt}"),
    "less_than_equal": phrase("must be {le} or less"),
    "decimal_max_places": phrase("may have {decimal_places} decimal places at most"),
    "int_type": _WHOLE, "int_parsing": _WHOLE, "int_from_float": _WHOLE,
    "decimal_type": _NUMBER, "decimal_parsing": _NUMBER, "float_type": _NUMBER, "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _TRUTH, "bool_parsing": _TRUTH,
    "uuid_type": _UUID, "uuid_parsing": _UUID,
    "date_type": _DATE, "date_parsing": _DATE, "date_from_datetime_parsing": _DATE, "date_from_datetime_inexact": _DATE,
    "datetime_type": _TIME, "datetime_parsing": _TIME, "datetime_from_date_parsing": _TIME, "timezone_aware": _TIME,
    "list_type": _LIST, "tuple_type": _LIST,
    "dict_type": _OBJECT, "model_type": _OBJECT, "model_attributes_type": _OBJECT,
}  # fmt: skip


class Said(str):
    """What pydantic says about a field, in English; `to` says it in another language."""

    _sentence: str | None
    _values: Mapping[str, Any]

    @classmethod
    def of(cls, error: ErrorDetails) -> "Said":
        said = cls(error["msg"])
        said._sentence = _SENTENCES.get(error["type"])
        said._values = error.get("ctx", {})
        return said

    def to(self, language: str) -> str:
        return (
            str(self) if language == "en" or self._sentence is None else say(language, self._sentence, **self._values)
        )


def in_language(errors: Sequence[Any], language: str) -> list[Any]:
    """The errors of a problem with their messages in this language, where they are known in it."""
    return [
        {**error, "message": message.to(language)} if isinstance(message := error["message"], Said) else error
        for error in errors
    ]
