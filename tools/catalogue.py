"""Which sentences do users read, and are they all in the catalogues?

`python -m tools.catalogue [--check]` finds them in the code: the first argument of `say(language, "…")` and its short
forms, and of every problem and `CannotStart`. It adds what a catalogue lacks, with an empty translation, and drops what
nobody says any more; `--check` names what lacks a translation or fills in other values than the English sentence.
"""

import ast
import string
import sys
from collections.abc import Iterator
from pathlib import Path

import polib

from shared import errors

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "shared" / "locale" / "zh" / "LC_MESSAGES" / "headset.po"
FIRST = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
FIRST |= {"Rejected"}  # a row of an import
"""Calls whose first argument is a sentence."""
SPEAK = {"speak", "words", "phrase"}
"""Local short forms of `say`, whose first argument is a sentence too."""


def sentences() -> dict[str, str]:
    """Each sentence with the place it was first found at."""
    found: dict[str, str] = {kind.title: "shared/errors.py" for kind in _problems()}
    for folder in ("services", "shared"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for sentence in _in_file(ast.parse(file.read_text(encoding="utf-8"))):
                found.setdefault(sentence, str(file.relative_to(ROOT)))
    return found


def _problems() -> Iterator[type[errors.Problem]]:
    yield errors.Problem
    yield from errors.Problem.__subclasses__()


def _in_file(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        position = 1 if name == "say" else 0 if name in FIRST | SPEAK else None
        if position is None or len(node.args) <= position:
            continue
        yield from _literals(node.args[position])


def _literals(node: ast.expr) -> Iterator[str]:
    """The sentence, or each of them where one is chosen by a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)


def values_in(sentence: str) -> set[str]:
    """The names that are filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def wrong() -> list[str]:
    """What is lacking in the Chinese catalogue."""
    known = {entry.msgid: entry.msgstr for entry in polib.pofile(str(CATALOGUE))}
    reasons = []
    for sentence, place in sentences().items():
        translation = known.get(sentence)
        if not translation:
            reasons.append(f"{place}: no Chinese for {sentence!r}")
        elif values_in(translation) != values_in(sentence):
            reasons.append(f"{place}: other values in the Chinese for {sentence!r}")
    return reasons


def update() -> int:
    """Bring the catalogue up to date; how many sentences still lack a translation."""
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    known = {entry.msgid: entry.msgstr for entry in polib.pofile(str(CATALOGUE))} if CATALOGUE.exists() else {}
    fresh = polib.POFile(wrapwidth=118)
    fresh.metadata = {"Language": "zh", "MIME-Version": "1.0", "Content-Type": "text/plain; charset=UTF-8"}
    for sentence in sorted(sentences()):
        fresh.append(polib.POEntry(msgid=sentence, msgstr=known.get(sentence, "")))
    fresh.save(str(CATALOGUE))
    return len(fresh.untranslated_entries())


def main() -> int:
    if "--check" in sys.argv:
        found = wrong()
        print("\n".join(found), end="\n" if found else "")
        return int(bool(found))
    print(f"{update()} sentences lack a translation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
