"""In which language does Headset speak?

English sentences stand in the code; catalogues in the gettext format (`locale/<language>/LC_MESSAGES/headset.po`)
hold the others. A sentence and its values are kept apart until it is shown. A sentence that a catalogue lacks is shown
in English; a test sees to it that none is lacking.
"""

from functools import cache
from pathlib import Path

LANGUAGES = ("en", "zh")
_LOCALE = Path(__file__).parent / "locale"


@cache
def catalogue(language: str) -> dict[str, str]:
    """English sentence → sentence in this language."""
    file = _LOCALE / language / "LC_MESSAGES" / "headset.po"
    if not file.exists():
        return {}
    import polib  # here, because whoever speaks English never needs it

    return {entry.msgid: entry.msgstr for entry in polib.pofile(str(file)) if entry.msgstr and not entry.obsolete}


def say(language: str, sentence: str, /, **values: object) -> str:
    """The sentence in this language, with its values filled in."""
    translated = catalogue(language).get(sentence, sentence)
    return translated.format(**values) if values else translated


def preferred(accept_language: str | None, default: str) -> str:
    """The language of an `Accept-Language` header that we speak, by weight (RFC 9110 section 12.5.4)."""
    wishes: list[tuple[float, str]] = []
    for part in (accept_language or "").split(",")[:10]:
        tag, _, quality = part.replace(" ", "").lower().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        if weight > 0:
            wishes.append((-weight, tag.split("-")[0]))
    for _, language in sorted(wishes, key=lambda wish: wish[0]):
        if language in LANGUAGES:
            return language
    return default
