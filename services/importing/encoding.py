"""In which encoding is a file written? Told from its bytes where they prove it; otherwise somebody has to say."""

import codecs
import io
import re
from collections.abc import Sequence
from pathlib import Path

from shared.errors import CannotStart

_SAMPLE = 100_000
"""How many stretches of characters beyond ASCII tell an encoding."""

_WORKBOOKS_AND_ARCHIVES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b")
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MEANT = {"gbk": "gb18030", "gb2312": "gb18030", "utf-8": "utf-8-sig", "utf8": "utf-8-sig", "ansi": "cp1252"}
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")


def known_encoding(name: str) -> str:
    """The codec that somebody means by this name; `CannotStart` if there is none."""
    name = _MEANT.get(name.lower(), name)
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise CannotStart("There is no encoding {name}; try utf-8, gb18030, cp1252 or utf-16.", name=name) from error


def encoding_of(path: Path) -> str:
    """The encoding that the bytes of the file prove, or nearly so; `CannotStart` when they do not."""
    with path.open("rb") as file:
        return _encoding_of(file, path)


def _encoding_of(file: io.BufferedReader, path: Path) -> str:
    start = file.peek(4)[:4]
    if start.startswith(_WORKBOOKS_AND_ARCHIVES):
        raise CannotStart("{file} is a workbook or an archive, not text; save it as CSV (UTF-8) first.", file=path)
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8 = True
    sample: list[bytes] = []
    while chunk := file.read(1024 * 1024):
        if b"\0" in chunk:
            raise CannotStart(
                "{file} has zero bytes; if it is UTF-16, say --encoding utf-16-le or utf-16-be.", file=path
            )
        if chunk.isascii() and not decoder.getstate()[0]:
            continue
        try:
            is_utf8 = is_utf8 and decoder.decode(chunk) is not None
        except UnicodeDecodeError:
            is_utf8 = False
        if len(sample) < _SAMPLE:
            sample += _BEYOND_ASCII.findall(chunk)
    if is_utf8 and not decoder.getstate()[0]:
        return "utf-8-sig"
    found = _most_likely(sample[:_SAMPLE])
    if found is None:
        raise CannotStart(
            "The encoding of {file} cannot be told from its bytes; say it with --encoding: gb18030, cp1252, utf-8 …",
            file=path,
        )
    return found


def _most_likely(stretches: Sequence[bytes]) -> str | None:
    """Tell apart UTF-8 with damage, Chinese and Western by stretches of bytes beyond ASCII; None when in doubt."""
    as_utf8 = sum(_decodes(stretch, "utf-8") for stretch in stretches) / len(stretches)
    if as_utf8 >= 0.9 and len(stretches) >= 10:
        return "utf-8-sig"
    chinese = [stretch for stretch in stretches if _decodes(stretch, "gb2312")]
    as_chinese = len(chinese) / len(stretches)
    as_western = sum(_are_western_letters(stretch) for stretch in stretches) / len(stretches)
    if as_chinese >= 0.9 and as_western < 0.5 and _is_common_chinese(b"".join(chinese)):
        return "gb18030"
    if as_western >= 0.9 and as_chinese < 0.1:
        return "cp1252"
    return None


def _decodes(stretch: bytes, encoding: str) -> bool:
    try:
        return bool(stretch.decode(encoding))
    except UnicodeDecodeError:
        return False


def _are_western_letters(stretch: bytes) -> bool:
    return len(stretch) <= 2 and _decodes(stretch, "cp1252") and stretch.decode("cp1252").isalpha()


def _is_common_chinese(text: bytes) -> bool:
    """Whether most of this is common Chinese, as GB 2312 orders its characters.

    Words of Cyrillic and Greek would be rare characters, Japanese has kana, Korean only the first third of the common.
    """
    firsts = [first for first in text[::2] if first not in (0xA1, 0xA3)]  # punctuation and full-width letters
    common = sum(0xB0 <= first <= 0xD7 for first in firsts)
    later = sum(0xC9 <= first <= 0xD7 for first in firsts)
    return common >= 0.8 * len(firsts) and later >= 0.1 * len(firsts) and not {0xA4, 0xA5} & set(firsts)
