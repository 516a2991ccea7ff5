"""Is every sentence found that users read, in the forms in which the code says them?"""

import ast

import pytest

from tools.catalogue import _in_file, values_in


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("raise NotFound('There is no {what}.', what=1)", ["There is no {what}."]),
        ("say(language, 'Hello')", ["Hello"]),
        ("self.say(language, 'Yes' if ok else 'No')", ["Yes", "No"]),
        ("speak('→ due on {day}', day=day)", ["→ due on {day}"]),
        ("raise KeyError('not for users')", []),
        ("say(language, sentence)", []),
    ],
)
def test_sentences_are_found(code: str, found: list[str]) -> None:
    assert list(_in_file(ast.parse(code))) == found


def test_values_are_compared_by_name() -> None:
    assert values_in("{a} and {b:.2f} {{no}}") == {"a", "b"}
