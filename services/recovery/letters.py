"""What does an operator do with dead letters, from the command line?"""

import json
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

import typer

from services.recovery.place import Place, place, run, who
from shared import dead_letters
from shared.db import Database
from shared.dead_letters import DeadLetter
from shared.delivery import Delivery
from shared.errors import CannotStart
from shared.i18n import say
from shared.service import Service
from shared.settings import Settings

T = TypeVar("T")


def show_list(settings: Settings, service: str | None, *, done: bool) -> None:
    """A line for each, oldest first: id, service, when, type, what became of it, why it died."""
    with place(settings) as here:
        for letter in run(_letters(here, service, done=done), settings):
            state = "discarded" if letter.discarded_at else "replayed" if letter.replayed_at else "open"
            words = (letter.id, letter.service, f"{letter.died_at:%Y-%m-%dT%H:%M:%SZ}", letter.type or "?", state)
            typer.echo("\t".join([*map(str, words), " ".join(letter.reason.split())[:200]]))


async def _letters(here: Place, service: str | None, *, done: bool = False) -> list[DeadLetter]:
    async def of(_: Service, db: Database) -> list[DeadLetter]:
        found: list[DeadLetter] = []
        cursor = None
        async with db.transaction() as tx:
            while True:
                page = await dead_letters.listed(tx, db, replayed=done, discarded=done, limit=500, cursor=cursor)
                found += page.items
                if (cursor := page.next_cursor) is None:
                    return found

    each = await here.with_each(service, of)
    return sorted((letter for found in each for letter in found), key=lambda letter: letter.id)


def show(settings: Settings, ids: Sequence[UUID]) -> None:
    """All that is known of each, as JSON."""
    with place(settings) as here:
        for id in ids:

            async def show(_: Service, db: Database, id: UUID = id) -> DeadLetter | None:
                async with db.transaction() as tx:
                    return await dead_letters.one(tx, db, id) if await dead_letters.holds(tx, db, id) else None

            for letter in _found(run(here.with_each(None, show), settings), id):
                typer.echo(json.dumps(letter.model_dump(mode="json"), indent=2, ensure_ascii=False))


def _found(each: Sequence[T | None], id: UUID) -> list[T]:
    found = [one for one in each if one is not None]
    if not found:
        raise CannotStart("There is no dead letter {id}.", id=id)
    return found


def replay(settings: Settings, ids: Sequence[UUID] | None, service: str | None, by: str | None) -> int:
    """Handle these letters again, or all that are open; how many failed again."""
    failed = 0
    with place(settings) as here:
        wanted = [letter.id for letter in run(_letters(here, service), settings)] if ids is None else list(ids)
        for id in wanted:

            async def again(one: Service, db: Database, id: UUID = id) -> DeadLetter | None:
                async with db.transaction() as tx:
                    if not await dead_letters.holds(tx, db, id):
                        return None
                    return await dead_letters.replay(tx, db, Delivery(db, one.policies), id, who(by))

            try:
                _found(run(here.with_each(service, again), settings), id)
            except CannotStart as why:
                failed += 1
                typer.echo(f"{id}\t{say(settings.language, why.reason, **why.values)}")
            else:
                here.speak("{id}\treplayed", id=id)
    return failed


def discard(settings: Settings, ids: Sequence[UUID], reason: str, by: str | None) -> None:
    """Decide that nothing is to be done about them."""
    with place(settings) as here:
        for id in ids:

            async def discard(_: Service, db: Database, id: UUID = id) -> DeadLetter | None:
                async with db.transaction() as tx:
                    if not await dead_letters.holds(tx, db, id):
                        return None
                    return await dead_letters.discard(tx, db, id, who(by), reason)

            _found(run(here.with_each(None, discard), settings), id)
            here.speak("{id}\tdiscarded", id=id)
