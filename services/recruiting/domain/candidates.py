"""Is this somebody we know already?

The same identity number, phone number or e-mail address is the same person, whatever the spelling, unless two identity
numbers say otherwise. Nothing is merged: what is said this time and differs is kept beside what is known.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.events import Code

KeyKind = Literal["employee", "identity", "phone", "email"]
STRONGEST_FIRST: tuple[KeyKind, ...] = ("employee", "identity", "phone", "email")


class Contact(BaseModel):
    """Who applies, as they say. The identity number is used to know them again and is not kept."""

    model_config = ConfigDict(extra="forbid")

    name: Code | None = None
    phone: Annotated[str, StringConstraints(min_length=5, max_length=40)] | None = None
    email: Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    identity_number: Annotated[str, StringConstraints(min_length=5, max_length=40)] | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """`id` is the candidate that this is, None for somebody new; `by` what says so; `perhaps` others it may be."""

    id: UUID | None
    by: tuple[KeyKind, ...]
    perhaps: tuple[UUID, ...]


def keys(contact: Contact, employee_id: UUID | None = None) -> dict[KeyKind, bytes]:
    """By what this person is known again: digests, so that the keys tell nothing by themselves."""
    plain: dict[KeyKind, str | None] = {
        "employee": str(employee_id) if employee_id else None,
        "identity": _identity(contact.identity_number),
        "phone": _phone(contact.phone),
        "email": _email(contact.email),
    }
    return {kind: digest(kind, value) for kind, value in plain.items() if value}


def digest(kind: KeyKind, value: str) -> bytes:
    return blake2b(value.encode(), digest_size=20, person=kind.encode()).digest()


def match(given: Iterable[KeyKind], found: Mapping[KeyKind, UUID], known: Mapping[UUID, Iterable[KeyKind]]) -> Match:
    """Who it is. `found` says whom a given key belongs to, `known` which kinds of keys those have.

    Whoever has another identity number than the one given is somebody else, though they share a telephone.
    """
    given = set(given)
    order = [kind for kind in STRONGEST_FIRST if kind in found]
    for kind in order:
        id = found[kind]
        contradicts = any(
            strong in given and found.get(strong) != id and strong in set(known.get(id, ()))
            for strong in ("employee", "identity")
        )
        if not contradicts:
            by = tuple(k for k in order if found[k] == id)
            return Match(id, by, tuple(sorted({found[k] for k in order} - {id})))
    return Match(None, (), tuple(sorted(set(found.values()))))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _identity(text: str | None) -> str | None:
    return re.sub(r"[\W_]", "", _plain(text)).upper() or None if text else None


def _phone(text: str | None) -> str | None:
    """Digits only, without the country code of China or the zeros before it."""
    digits = re.sub(r"\D", "", _plain(text)).lstrip("0") if text else ""
    return (digits[2:] if digits.startswith("86") and len(digits) > 11 else digits) or None


def _email(text: str | None) -> str | None:
    return _plain(text).casefold() if text else None
