"""In which encoding is a file written? Told from its bytes where they prove it; otherwise somebody has to say."""

import codecs
import io
import re
from collections.abc import Callable, Sequence
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

    def share(test: Callable[[bytes], bool]) -> float:
        return sum(map(test, stretches)) / len(stretches)

    def is_text(encoding: str, good: Callable[[str], bool] = lambda _: True) -> Callable[[bytes], bool]:
        def test(stretch: bytes) -> bool:
            try:
                return good(stretch.decode(encoding))
            except UnicodeDecodeError:
                return False

        return test

    if share(is_text("utf-8")) >= 0.9 and len(stretches) >= 10:
        return "utf-8-sig"
    chinese = share(is_text("gb2312"))
    western = share(lambda stretch: len(stretch) == 1 and is_text("cp1252", str.isalpha)(stretch))
    if chinese >= 0.9 and western < 0.1 and any(len(stretch) >= 4 for stretch in stretches):
        return "gb18030"
    if western >= 0.9 and chinese < 0.1:
        return "cp1252"
    return None
