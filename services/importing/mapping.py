"""Which column of a file is which field?

By a table of known wordings (`wordings.json`), by a mapping file, by options; the later ones win. A column name may
also be given as `#3`, the third column.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from services.importing.values import UNITS, WORDINGS, Unit, folded
from shared.errors import CannotStart

Kind = str
"""What a file lists: `calls` or `employees`."""

NEEDED: dict[Kind, list[tuple[str, ...]]] = {
    "calls": [
        ("call_id",),
        ("agent_id",),
        ("started_at", "date", "time"),
        ("answered", "answered_at", "abandoned", "talk_seconds"),
    ],
    "employees": [("agent_id", "id"), ("role",)],
}
"""For each kind the fields without which nothing can be read; one of each group is enough."""

_UNIT_OF = {folded(word): UNITS[name] for name, words in WORDINGS["units"].items() for word in words}


class MappingFile(BaseModel):
    """What a mapping file (TOML or JSON) may say."""

    model_config = ConfigDict(extra="forbid")

    columns: dict[str, str] = {}
    """Field → column; an empty column leaves the field out."""
    encoding: str | None = None
    delimiter: str | None = None
    date_format: str | None = None
    timezone: str | None = None
    yes: list[str] = []
    no: list[str] = []
    """More words for yes and no."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where a field is found, and what it is called there."""

    index: int
    header: str
    unit: Unit = UNITS["seconds"]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file, by field."""

    by_field: Mapping[str, Column]
    unused: Sequence[str] = ()


def read_mapping_file(path: Path) -> MappingFile:
    """Raises `CannotStart` when the file cannot be read or says something unknown."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        given = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
        return MappingFile.model_validate(given)
    except OSError as error:
        raise CannotStart("Cannot read {file}: {reason}.", file=path, reason=error.strerror or error) from error
    except ValidationError as error:
        wrong = error.errors()[0]
        raise CannotStart(
            "The mapping file {file} is not valid: {field}: {reason}. It may hold: {known}.",
            file=path, field=".".join(map(str, wrong["loc"])), reason=wrong["msg"],
            known=", ".join(MappingFile.model_fields),
        ) from error  # fmt: skip
    except ValueError as error:
        raise CannotStart(
            "The mapping file {file} is neither TOML nor JSON: {reason}.", file=path, reason=error
        ) from error


def pairs(options: Sequence[str], kind: Kind) -> dict[str, str]:
    """`["field=Column", …]` as a dictionary."""
    given: dict[str, str] = {}
    for option in options:
        name, sign, column = option.partition("=")
        if not sign or name.strip() not in WORDINGS[kind]:
            raise CannotStart(
                "--map takes FIELD=COLUMN, not {option}; the fields are {fields}.",
                option=repr(option), fields=", ".join(WORDINGS[kind]),
            )  # fmt: skip
        given[name.strip()] = column.strip()
    return given


def known(headers: Sequence[str], kind: Kind, chosen: Mapping[str, str]) -> int:
    """How many of these look like headers that we know. For finding the line of the headers."""
    found = {_plain(header)[0] for header in headers if header.strip()}
    return len(found & _WORDS[kind]) + len({header.strip() for header in headers} & set(chosen.values()))


def columns(headers: Sequence[str], kind: Kind, chosen: Mapping[str, str]) -> Columns:
    """Find a column for each field. `chosen` (field → column) goes before what the headers say.

    Raises `CannotStart` naming the columns found and the fields missing.
    """
    headers = [header.strip() for header in headers]
    wordings = _WORDINGS[kind]
    found: dict[str, Column] = {}
    taken: set[int] = set()
    for name, column in chosen.items():
        if name not in wordings:
            raise CannotStart(
                "There is no field {field}; the fields are {fields}.", field=name, fields=", ".join(wordings)
            )
        if column:
            index = _position(headers, column)
            found[name] = Column(index, headers[index], _plain(headers[index])[1])
            taken.add(index)
    plain = [_plain(header) for header in headers]
    for name, words in wordings.items():
        if name in chosen:
            continue
        for word in words:
            places = [i for i, (text, _) in enumerate(plain) if text == word and i not in taken]
            if len(places) > 1:
                raise CannotStart(
                    "{n} columns are called {header}; say which is the {field}: --map {field}=#{position}.",
                    n=len(places), header=repr(headers[places[0]]), field=name, position=places[0] + 1,
                )  # fmt: skip
            if places:
                found[name] = Column(places[0], headers[places[0]], plain[places[0]][1])
                taken.add(places[0])
                break
    missing = [group for group in NEEDED[kind] if not any(name in found for name in group)]
    if missing:
        raise CannotStart(
            "No column was found for {missing}. The columns are: {columns}. Name them with --map FIELD=COLUMN or in a "
            "file for --mapping.",
            missing=", ".join("/".join(group) for group in missing),
            columns=", ".join(header or "''" for header in headers),
        )  # fmt: skip
    return Columns(found, [header for i, header in enumerate(headers) if i not in taken and header])


def _position(headers: Sequence[str], column: str) -> int:
    if re.fullmatch(r"#\d+", column) and 1 <= int(column[1:]) <= len(headers):
        return int(column[1:]) - 1
    same = [i for i, header in enumerate(headers) if header == column]
    same = same or [i for i, header in enumerate(headers) if folded(header) == folded(column)]
    if len(same) != 1:
        raise CannotStart(
            "{n} columns are called {column}; the columns are {columns}. A column may also be named by its place: #1.",
            n=len(same), column=repr(column), columns=", ".join(headers),
        )  # fmt: skip
    return same[0]


def _plain(header: str) -> tuple[str, Unit]:
    """The header without remarks and units, squeezed for comparison, and its unit."""
    header = folded(header)
    unit = UNITS["seconds"]

    def remark(found: re.Match[str]) -> str:
        nonlocal unit
        unit = _UNIT_OF.get(found[1].strip().removeprefix("in "), unit)
        return " "

    header = re.sub(r"[(\[](.*?)[)\]]", remark, header).strip()
    words = header.split(" ")
    if len(words) > 1 and words[-1] in _UNIT_OF and words[-1] not in ("m", "h", "s"):
        unit = _UNIT_OF[words.pop()]
        if len(words) > 1 and words[-1] == "in":
            words.pop()
    text = _squeezed(" ".join(words))
    for ending in ("毫秒", "秒", "分钟"):
        if text.endswith(ending) and text != ending:
            return text.removesuffix(ending), _UNIT_OF[ending]
    return text, unit


def _squeezed(text: str) -> str:
    return "".join(character for character in folded(text) if character.isalnum())


_WORDINGS = {
    kind: {name: [_squeezed(word) for word in words] for name, words in WORDINGS[kind].items()} for kind in NEEDED
}
_WORDS = {kind: frozenset(word for words in fields.values() for word in words) for kind, fields in _WORDINGS.items()}
