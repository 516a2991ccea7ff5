"""Is every letter handled once, and does one that cannot be handled leave the others alone?"""

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.db import Database
from shared.delivery import TooManyDead, is_outage
from shared.events import Letter
from shared.ids import new_id
from tests.lab import Counted, Lab, Summed


def counts(lab: Lab, thing: str, ns: Sequence[int]) -> list[Letter]:
    return [lab.letter(Counted(thing=thing, n=n)) for n in ns]


async def test_twice_is_once(lab: Lab) -> None:
    [letter] = counts(lab, "a", [1])
    await lab.deliver("lab", letter)
    await lab.deliver("lab", letter)
    await lab.deliver("lab", letter, letter)
    assert await lab.seen() == {"a": [1]}
    assert len(await lab.outbox()) == 1


async def test_twice_in_one_batch_is_once_and_first_come_first_applied(lab: Lab) -> None:
    one, two, three = counts(lab, "a", [1, 2, 3])
    await lab.deliver("lab", one, two, one, three, two)
    assert await lab.seen() == {"a": [1, 2, 3]}


async def test_four_deliveries_at_once_apply_once(lab: Lab) -> None:
    letters = counts(lab, "a", range(50)) + [lab.letter(Summed(thing="b", n=n)) for n in range(50)]
    await asyncio.gather(*(lab.deliver("lab", *letters) for _ in range(4)))
    assert await lab.seen() == {"a": list(range(50)), "b": list(range(50))}


async def test_deliveries_that_overlap_apply_once_whatever_their_order(lab: Lab) -> None:
    letters = [lab.letter(Summed(thing=f"thing-{n % 7}", n=n)) for n in range(120)]
    shuffled = random.Random(5)

    async def deliver() -> None:
        mine = shuffled.sample(letters, 90)
        while True:
            try:
                return await lab.deliver("lab", *mine)
            except DBAPIError as error:  # deadlocks on the things are outages: the bus delivers again
                if not is_outage(error):
                    raise

    await asyncio.gather(*(deliver() for _ in range(6)))
    await lab.deliver("lab", *letters)
    seen = await lab.seen()
    assert sorted(n for ns in seen.values() for n in ns) == list(range(120))


@pytest.mark.parametrize("where", [0, 57])
@pytest.mark.parametrize("kind", [Counted, Summed])
async def test_exactly_the_poisoned_letter_of_a_batch_is_buried(lab: Lab, where: int, kind: Any) -> None:
    letters = [lab.letter(kind(thing=f"thing-{n % 3}", n=n)) for n in range(200)]
    lab.faults.poisoned.add(where)
    await lab.deliver("lab", *letters)
    [dead] = await lab.dead()
    assert dead["event_id"] == letters[where].id
    assert dead["attempts"] == 3
    assert "RuntimeError" in dead["reason"]
    assert bytes(dead["payload"]) == letters[where].body
    assert dead["headers"] == letters[where].headers
    expected = {f"thing-{k}": [n for n in range(200) if n % 3 == k and n != where] for k in range(3)}
    assert await lab.seen() == expected
    await lab.deliver("lab", *letters)  # the bus repeats, nothing changes
    assert await lab.seen() == expected
    assert len(await lab.dead()) == 1


async def test_a_policy_that_fails_leaves_nothing_half_done(lab: Lab) -> None:
    lab.faults.fails_late.add(2)
    await lab.deliver("lab", *counts(lab, "a", [1, 2, 3]))
    assert await lab.seen() == {"a": [1, 3]}
    assert [json.loads(bytes(row["payload"]))["n"] for row in await lab.outbox()] == [1, 3]


async def test_an_outage_loses_nothing_and_buries_nothing(lab: Lab) -> None:
    letters = counts(lab, "a", range(20))
    lab.faults.outages.add(13)
    with pytest.raises(DBAPIError) as outage:
        await lab.deliver("lab", *letters)
    assert is_outage(outage.value)
    assert await lab.seen() == {}
    await lab.deliver("lab", *letters)
    assert await lab.seen() == {"a": list(range(20))}
    assert await lab.dead() == []
    assert len(await lab.outbox()) == 20


async def test_an_outage_amid_the_search_for_poison_loses_nothing(lab: Lab) -> None:
    letters = counts(lab, "a", range(20))
    lab.faults.poisoned.add(3)
    lab.faults.outages.add(17)
    with pytest.raises(DBAPIError):
        await lab.deliver("lab", *letters)
    await lab.deliver("lab", *letters)
    assert await lab.seen() == {"a": [n for n in range(20) if n != 3]}
    assert len(await lab.dead()) == 1


WAIT = ("08006", "40001", "40P01", "53300", "57P01", "57P03", "55P03", "25006", "58030", "28P01")
BURY = ("57014", "23505", "22003", "42P01", "XX000")


async def test_what_is_an_outage(lab: Lab) -> None:
    for sqlstate in WAIT + BURY:
        with pytest.raises(DBAPIError) as error:
            await lab.rows("lab", f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{sqlstate}'; END $$")
        assert is_outage(error.value) is (sqlstate in WAIT), sqlstate


async def test_a_server_that_lets_nobody_in_is_an_outage(lab: Lab) -> None:
    for url in (lab.url + "_that_is_not_there", lab.url.replace("headset:", "headset:wrong")):
        db = Database("lab", url, lab.db.metadata, lab.settings)
        with pytest.raises(DBAPIError) as error:
            async with db.transaction() as tx:
                await tx.run(text("SELECT 1"))
        assert is_outage(error.value)
        await db.close()
    assert is_outage(ConnectionRefusedError())
    assert not is_outage(ValueError())


GOOD = b'{"thing": "a", "n": 1}'


def letter(body: bytes = GOOD, **changes: str | None) -> Letter:
    headers = {
        "ce_specversion": "1.0", "ce_id": str(new_id()), "ce_type": Counted.type, "ce_source": "elsewhere",
        "ce_time": "2026-03-02T09:00:00+08:00",
    } | {f"ce_{name}": value for name, value in changes.items()}  # fmt: skip
    kept = {name: value for name, value in headers.items() if value is not None}
    return Letter(Counted.kafka_topic, "a", kept, body)


UNREADABLE = {
    "not JSON": letter(b"<xml/>"),
    "nothing": letter(b""),
    "not UTF-8": letter(b'{"thing": "\xff\xfe", "n": 1}'),
    "a list": letter(b"[1]"),
    "no id": letter(id=None),
    "no type": letter(type=None),
    "no source": letter(source=None),
    "empty source": letter(source=""),
    "time of no day": letter(time="2026-02-30T09:00:00Z"),
    "time without offset": letter(time="2026-03-02T09:00:00"),
    "time before all time": letter(time="0001-01-01T00:00:00+14:00"),
    "a field missing": letter(b'{"thing": "a"}'),
    "a field of another type": letter(b'{"thing": "a", "n": "many"}'),
    "out of range": letter(b'{"thing": "a", "n": -1}'),
    "a key that is too long": letter(b'{"thing": "%s", "n": 1}' % (b"x" * 129)),
    "no number": letter(b'{"thing": "a", "n": NaN}'),
    "a number without end": letter(b'{"thing": "a", "n": 1' + b"0" * 5000 + b"}"),
    "NUL": letter(b'{"thing": "a\\u0000b", "n": 1}'),
    "half a character": letter(b'{"thing": "\\ud800", "n": 1}'),
    "nested deeply": letter(b'{"thing": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "too large": letter(b'{"thing": "a", "n": 1, "note": "' + b"x" * 1024 * 1024 + b'"}'),
    "huge": letter(b"x" * 10_000_000),
    "NUL in the headers": letter(b"?", id="a\0b", source="c\0d", **{"na\0me": "e"}),
    "an endless id": letter(b"?", id="x" * 100_000),
    "an endless key": Letter(Counted.kafka_topic, "k" * 100_000, letter().headers, b"?"),
}


async def test_unreadable_letters_are_buried_with_a_reason_and_stop_nobody(lab: Lab) -> None:
    before, after = counts(lab, "b", [1, 2])
    for _ in range(2):  # and the second time, nothing is added
        await lab.deliver("lab", before, *UNREADABLE.values(), after)
    dead = {bytes(row["payload"]): row for row in await lab.dead()}
    assert len(await lab.dead()) == len(UNREADABLE)
    for name, garbage in UNREADABLE.items():
        assert dead[garbage.body]["reason"], name
        assert dead[garbage.body]["attempts"] == 1, name
    assert await lab.seen() == {"b": [1, 2]}
    listed = await lab.as_("admin").get("/dead-letters?limit=500")
    assert listed.status_code == 200
    assert len(listed.json()["items"]) == len(UNREADABLE)


async def test_garbage_that_looks_alike_is_all_kept(lab: Lab) -> None:
    one = letter(b"?", id="1", source="north")
    await lab.deliver("lab", one, letter(b"?", id="1", source="south"), letter(b"!", id="1", source="north"), one)
    assert len(await lab.dead()) == 3


async def test_what_json_allows_is_read(lab: Lab) -> None:
    for body in (b'{"n": 1, "n": 2, "thing": "a"}', GOOD + b"\n", b'{"thing":"a","n":3,"new":[1]}'):
        await lab.deliver("lab", letter(body))
    assert await lab.seen() == {"a": [2, 1, 3]}
    assert await lab.dead() == []


async def test_letters_nobody_here_wants_are_skipped(lab: Lab) -> None:
    await lab.deliver("lab", letter(b"?", type="someone.else.did.v1"), letter(b"?", type="test.thing.counted.v2"))
    assert await lab.dead() == []
    assert await lab.seen() == {}
    assert await lab.rows("lab", "SELECT * FROM lab.inbox") == []


async def test_bugs_in_a_row_stop_the_worker(lab: Lab) -> None:
    lab.faults.poisoned.update(range(100))
    letters = counts(lab, "a", range(100))
    with pytest.raises(TooManyDead):
        await lab.deliver("lab", *letters)
    assert len(await lab.dead()) == 21
    lab.faults.poisoned.clear()
    await lab.deliver("lab", *letters)  # nothing is lost by the stop
    assert await lab.seen() == {"a": list(range(100))}


async def test_bugs_here_and_there_do_not_stop_the_worker(lab: Lab) -> None:
    lab.faults.poisoned.update(range(0, 60, 2))
    await lab.deliver("lab", *counts(lab, "a", range(60)))
    assert len(await lab.dead()) == 30
    assert await lab.seen() == {"a": list(range(1, 60, 2))}


@pytest.mark.parametrize("kind", [Counted, Summed])
async def test_what_follows_knows_its_cause(lab: Lab, kind: Any) -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    sent = lab.letter(kind(thing="a", n=1))
    sent = sent._replace(headers={**sent.headers, "traceparent": trace, "ce_correlationid": "the-beginning"})
    await lab.deliver("lab", sent)
    [followed] = await lab.outbox()
    headers = followed["headers"]
    assert headers["ce_causationid"] == sent.id
    assert headers["ce_correlationid"] == "the-beginning"
    assert headers["traceparent"][:35] == trace[:35]
    assert headers["traceparent"] != trace
    assert headers["ce_source"] == "lab"


async def test_ids_that_are_no_uuid_are_handled_once_by_source(lab: Lab) -> None:
    north, south = letter(id="1", source="north"), letter(id="1", source="south")
    await lab.deliver("lab", north, south, north)
    await lab.deliver("lab", south, north)
    assert await lab.seen() == {"a": [1, 1]}


async def test_a_letter_without_time_is_handled_once_whenever_it_comes_again(lab: Lab) -> None:
    first = letter(id="call-1", time=None, recordedtime="2026-03-02T23:59:59+00:00")
    again = letter(id="call-1", time=None, recordedtime="2026-03-03T00:00:01+00:00")
    await lab.deliver("lab", first)
    await lab.deliver("lab", again)
    assert await lab.seen() == {"a": [1]}


# Replay.


async def test_replay_applies_once_after_a_fix(lab: Lab) -> None:
    lab.faults.poisoned.add(1)
    lab.faults.fails_late.add(2)
    letters = counts(lab, "a", [1, 2, 3])
    await lab.deliver("lab", *letters)
    admin = lab.as_("admin", sub="ada")
    listed = (await admin.get("/dead-letters")).json()["items"]
    assert {item["event_id"] for item in listed} == {letters[0].id, letters[1].id}
    first, late = sorted(listed, key=lambda item: item["id"])
    assert first["service"] == "lab"
    assert first["type"] == Counted.type
    assert json.loads(first["body"]) == {"thing": "a", "n": 1, "note": None}

    refused = await admin.post(f"/dead-letters/{first['id']}/replay")
    assert refused.status_code == 409
    assert "RuntimeError: a bug" in refused.json()["detail"]
    refused = await admin.post(f"/dead-letters/{late['id']}/replay")
    assert refused.status_code == 409
    assert await lab.seen() == {"a": [3]}

    lab.faults.poisoned.clear()
    lab.faults.fails_late.clear()
    done = await admin.post(f"/dead-letters/{first['id']}/replay")
    assert done.status_code == 200
    assert done.json()["replayed_by"] == "ada"
    assert await lab.seen() == {"a": [3, 1]}
    assert len(await lab.outbox()) == 2

    again = await admin.post(f"/dead-letters/{first['id']}/replay")
    assert again.status_code == 409
    await lab.deliver("lab", *letters)
    assert sorted((await lab.seen())["a"]) == [1, 2, 3]
    # The other letter came again by itself after the fix: replaying it changes nothing.
    assert (await admin.post(f"/dead-letters/{late['id']}/replay")).status_code == 200
    assert sorted((await lab.seen())["a"]) == [1, 2, 3]
    assert (await admin.get("/dead-letters")).json()["items"] == []
    assert len((await admin.get("/dead-letters?replayed=true")).json()["items"]) == 2


async def test_replays_at_once_apply_once(lab: Lab) -> None:
    lab.faults.poisoned.add(1)
    await lab.deliver("lab", *counts(lab, "a", [1]))
    lab.faults.poisoned.clear()
    [dead] = await lab.dead()
    admin = lab.as_("admin")
    answers = await asyncio.gather(*(admin.post(f"/dead-letters/{dead['id']}/replay") for _ in range(10)))
    assert sorted(a.status_code for a in answers) == [200] + [409] * 9
    assert await lab.seen() == {"a": [1]}


async def test_replay_is_for_admins_and_keeps_to_the_conventions(lab: Lab) -> None:
    lab.faults.poisoned.add(1)
    await lab.deliver("mirror", *counts(lab, "m", [1]))
    lab.mirrored.poisoned.add(2)
    await lab.deliver("mirror", *counts(lab, "m", [2]))
    [dead] = await lab.dead("mirror")
    where = f"/dead-letters/{dead['id']}/replay"
    assert (await lab.as_("manager").post(where)).status_code == 403
    assert (await lab.as_("manager").get("/dead-letters")).status_code == 403
    admin = lab.as_("admin")
    assert (await admin.post("/dead-letters/nonsense/replay")).status_code == 422
    assert (await admin.post(f"/dead-letters/{new_id()}/replay")).status_code == 404
    lab.mirrored.poisoned.clear()
    first = await admin.post(where, headers={"Idempotency-Key": "k"})
    again = await admin.post(where, headers={"Idempotency-Key": "k"})
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert await lab.seen("mirror") == {"m": [1, 2]}


async def test_dead_letters_come_in_pages_over_all_services(lab: Lab) -> None:
    for name in ("lab", "mirror"):
        await lab.deliver(name, *(letter(b"?", id=f"{name}-{n}") for n in range(7)))
    admin, found, cursor = lab.as_("admin"), [], None
    while True:
        page = (await admin.get("/dead-letters", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))).json()
        found += [item["event_id"] for item in page["items"]]
        assert len(page["items"]) <= 3
        if not (cursor := page["next_cursor"]):
            break
    assert found == [f"{name}-{n}" for name in ("mirror", "lab") for n in range(6, -1, -1)]
    only = (await admin.get("/dead-letters?service=mirror")).json()["items"]
    assert {item["service"] for item in only} == {"mirror"}


async def test_a_dead_letter_is_discarded_with_who_and_why_and_stays(lab: Lab) -> None:
    lab.faults.poisoned.add(1)
    letters = counts(lab, "a", [1, 2])
    await lab.deliver("lab", *letters)
    [dead] = await lab.dead()
    admin, where = lab.as_("admin", sub="ada"), f"/dead-letters/{dead['id']}"
    assert (await lab.as_("manager").get(where)).status_code == 403
    assert (await lab.as_("manager").post(f"{where}/discard", json={"reason": "x"})).status_code == 403
    assert (await admin.get(f"/dead-letters/{new_id()}")).status_code == 404
    assert (await admin.get("/dead-letters/nonsense")).status_code == 422
    assert (await admin.post(f"{where}/discard", json={"reason": " "})).status_code == 422
    assert (await admin.get(where)).json()["discarded_at"] is None

    done = (await admin.post(f"{where}/discard", json={"reason": "a test call"})).json()
    assert (done["discarded_by"], done["discard_reason"]) == ("ada", "a test call")
    assert (await admin.get(where)).json() == done
    again = await admin.post(f"{where}/discard", json={"reason": "once more"})
    assert again.status_code == 409
    assert "ada" in again.json()["detail"]
    assert (await admin.get("/dead-letters")).json()["items"] == []
    assert (await admin.get("/dead-letters?discarded=true")).json()["items"] == [done]
    await lab.deliver("lab", *letters)  # it comes again: the decision holds
    assert (await admin.get("/dead-letters")).json()["items"] == []

    lab.faults.poisoned.clear()  # the decision was wrong
    assert (await admin.post(f"{where}/replay")).status_code == 200
    assert await lab.seen() == {"a": [2, 1]}
    assert (await admin.post(f"{where}/discard", json={"reason": "late"})).status_code == 409
