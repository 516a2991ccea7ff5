"""How fast are answers scored and samples drawn, and does the list of open audits stay quick as it grows?"""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

from bench.calls import AGENTS, ANSWERED
from bench.client import Job, all_answered, rate_of, request, send_from_outside
from bench.fill import RECORDINGS, store
from bench.measure import Line, NotMeasured, Scale, in_turns
from bench.place import Place
from services.qa.domain.scorecards import NOT_APPLICABLE, Draft, check_scorable
from services.qa.domain.scoring import Answer, score
from shared.ids import new_id

CRITERIA = 40
INTERACTIONS = 1_000_000
SAMPLE = 2_000
FEW, MANY = 10_000, 1_000_000
AUDITORS = 100
OPEN = 0.01
PAGE = 50

_KINDS: Sequence[Mapping[str, Any]] = (
    {"kind": "yes_no"},
    {"kind": "scale", "lowest": 0, "highest": 5},
    {"kind": "yes_no"},
    {
        "kind": "choice",
        "options": [{"key": f"o{n}", "name_en": f"o{n}", "name_zh": f"o{n}", "points": n} for n in range(4)],
    },
    {"kind": "number", "bands": [{"below": n, "points": 4 - (n or 40) // 10} for n in (10, 20, 30, None)]},
)  # fmt: skip
_GOOD_AND_BAD: Mapping[str, tuple[Sequence[str | int], Sequence[str | int]]] = {
    "yes_no": (("yes",), ("no",)), "scale": ((5, 4, 3), (2, 1, 0)), "choice": (("o3", "o2"), ("o1", "o0")),
    "number": ((3, 12), (25, 70)),
}  # fmt: skip


async def scoring(_: Place, scale: Scale) -> list[Line]:
    """In this process and its own time, which is that of one core: what neighbours do does not count."""
    number = scale.of(40_000)
    card = _card()
    audits = _answered(card, 1_000)
    # What is left when all that is said about an audit beside its score is left out.
    points = {c.key: {NOT_APPLICABLE: (0, 0)} | _points(c.answer.model_dump()) for c in card.criteria}
    plain = [{key: answer.value for key, answer in answers.items()} for answers in audits]

    async def product() -> float:
        began = time.process_time()
        for n in range(number):
            score(card, audits[n % len(audits)])
        return number / (time.process_time() - began)

    async def arithmetic() -> float:
        began = time.process_time()
        for n in range(number):
            earned = possible = 0
            for key, value in plain[n % len(plain)].items():
                got, most = points[key][value]
                earned += got
                possible += most
            earned * 10_000 // possible
        return number / (time.process_time() - began)

    samples = await in_turns({"product": product, "arithmetic": arithmetic})
    return [
        Line(
            f"scoring, {CRITERIA} criteria, one core", "one look-up and two additions for each", "scorings/s",
            samples["product"], samples["arithmetic"], least=20_000, facts={"scorings": number, "time": "of the CPU"},
        )
    ]  # fmt: skip


def _card() -> Draft:
    """Four sections, four kinds of answers, two fatal criteria, and two that show under a condition."""
    criteria = [
        {
            "key": f"c{n}", "name_en": f"c{n}", "name_zh": f"c{n}", "competency": f"k{n % 11}", "weight": "2.5",
            "section": f"s{n // 10}", "answer": _KINDS[n % len(_KINDS)], "fatal": n in (10, 30),
            "error_class": ("none", "none", "customer_critical", "business_critical", "compliance_critical")[n % 5],
            "shown_if": {"criterion": "c0", "values": ["yes"]} if n in (6, 7) else None,
        }
        for n in range(CRITERIA)
    ]  # fmt: skip
    sections = [{"key": f"s{n}", "name_en": f"s{n}", "name_zh": f"s{n}"} for n in range(4)]
    card = Draft.model_validate(
        {
            "code": "bench",
            "name_en": "b",
            "name_zh": "b",
            "passing_score": 80,
            "sections": sections,
            "criteria": criteria,
        }
    )
    check_scorable(card)
    return card


def _answered(card: Draft, number: int) -> list[dict[str, Answer]]:
    """One in ten criteria failed, one in thirty not applicable."""
    chance = random.Random(5)

    def value(kind: str) -> str | Decimal:
        if chance.random() < 1 / 30:
            return NOT_APPLICABLE
        told = chance.choice(_GOOD_AND_BAD[kind][chance.random() < 0.1])
        return told if isinstance(told, str) else Decimal(told)

    return [{c.key: Answer(value(c.answer.kind)) for c in card.criteria} for _ in range(number)]


def _points(answer: Mapping[str, Any]) -> dict[str | Decimal, tuple[int, int]]:
    values = [value for some in _GOOD_AND_BAD[answer["kind"]] for value in some]
    return {v if isinstance(v, str) else Decimal(v): (250 - n, 250) for n, v in enumerate(values)}


async def draws(place: Place, scale: Scale) -> list[Line]:
    """`POST /qa/sampling-plans/{id}/draws`: frame, sample, and the audits made. Between turns they are taken away."""
    interactions = scale.of(INTERACTIONS)
    url = await place.database("draws")
    await _centre(place, url)
    await store(place, url, "qa.recordings", (RECORDINGS, round(interactions / ANSWERED)))
    plan = new_id()
    async with AsyncExitStack() as stack:
        watcher = await stack.enter_async_context(place.connection(url))
        card = await watcher.fetchval("SELECT id FROM qa.scorecards WHERE code = 'short' ORDER BY version DESC LIMIT 1")
        await watcher.execute(_PLAN, plan, card, SAMPLE, [f"auditor-{n}" for n in range(20)])
        await watcher.execute("ANALYZE")
        server = await stack.enter_async_context(place.headset("serve", "qa", url=url, kafka=False))
        seeds = iter(range(1, 100))

        async def draw() -> float:
            await watcher.execute("TRUNCATE qa.draws, qa.audits, qa.audit_history, qa.disputes")
            await place.checkpoint()
            body = json.dumps({"seed": next(seeds)}).encode()
            asked = request(f"/qa/sampling-plans/{plan}/draws", place.token("manager"), body)
            [answer] = all_answered(await send_from_outside(Job(server.port, [asked], 1)), 201)
            made = await watcher.fetchval("SELECT count(*) FROM qa.audits")
            if made != SAMPLE:
                raise NotMeasured(f"{made} audits were made instead of {SAMPLE}")
            return answer.at - answer.sent

        async def frame() -> float:
            began = time.perf_counter()
            found = await watcher.fetch(_FRAME, card)
            seconds = time.perf_counter() - began
            facts["frame"] = len(found)
            return seconds

        facts: dict[str, Any] = {"sample": SAMPLE, "method": "stratified, new employees with twice the weight"}
        samples = await in_turns({"draw": draw, "frame": frame})
    return [
        Line(
            f"sample of {SAMPLE:,} of {interactions:,}, with its audits", "SQL that selects the frame", "s",
            samples["draw"], samples["frame"], at_most=3, facts=facts,
        )
    ]  # fmt: skip


_PLAN = """
    INSERT INTO qa.sampling_plans (id, name, scorecard_id, filter, size, auditors, created_at, created_by, method,
                                   emphasis)
    VALUES ($1, 'bench', $2, '{}', $3, $4, now(), 'bench', 'stratified',
            '[{"factor": 2, "tenure_days_at_most": 90}]')
"""
_FRAME = """
    SELECT r.id, r.call_id, h.employee_id, r.started_at FROM qa.recordings r
    JOIN qa.agent_holders h ON h.agent_id = r.agent_id AND h.valid_from <= r.day AND r.day < h.valid_to
    WHERE r.answered_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM qa.audits a WHERE a.recording_id = r.id AND a.scorecard_id = $1)
"""


async def _centre(place: Place, url: str) -> None:
    """Employees for all agents; half of them began within the year."""
    async with place.connection(url) as connection:
        await connection.execute(f"""
            INSERT INTO qa.employees (employee_id, agent_id, role, team, known_at)
            SELECT gen_random_uuid(), 'agent-' || lpad(n::text, 4, '0'), 'agent', 'team-' || n % 40, now()
            FROM generate_series(0, {AGENTS - 1}) AS n;
            INSERT INTO qa.employee_logins (agent_id, since, employee_id)
            SELECT agent_id, current_date - (random() * 730)::int, employee_id FROM qa.employees
        """)


async def open_audits(place: Place, scale: Scale) -> list[Line]:
    """The first page of all drafts, one client."""
    number = scale.of(400)
    asked = request(f"/qa/audits?status=draft&limit={PAGE}", place.token("auditor")).replace(b"POST", b"GET", 1)
    async with AsyncExitStack() as stack:
        ports = {}
        for size in (FEW, MANY):
            url = await place.database(f"audits_{size}")
            await _audits(place, url, size)
            server = await stack.enter_async_context(place.headset("serve", "qa", url=url, kafka=False))
            ports[size] = server.port

        def side(port: int) -> Callable[[], Any]:
            async def sample() -> float:
                got = all_answered(await send_from_outside(Job(port, [asked] * number, 1)), 200)
                return 1000 / rate_of(got)

            return sample

        samples = await in_turns({"many": side(ports[MANY]), "few": side(ports[FEW])})
    return [
        Line(
            f"open audits, page of {PAGE}, of {MANY:,} audits", f"the same of {FEW:,}", "ms",
            samples["many"], samples["few"], at_most=1.5, facts={"pages": number, "open": f"{OPEN:.0%} of the audits"},
        )
    ]  # fmt: skip


async def _audits(place: Place, url: str, number: int) -> None:
    """So many audits of a year, each recording audited by each auditor."""
    async with place.connection(url) as connection:
        await connection.execute(RECORDINGS, number // AUDITORS)
    await store(place, url, "qa.audits", (_AUDITS, number // AUDITORS, number, OPEN))


_AUDITS = """
    INSERT INTO qa.audits (id, recording_id, call_id, employee_id, scorecard_id, auditor_id, purpose, status, version,
                           revision, answers, raw_score, score, result, critical_errors, created_at, submitted_at,
                           released_at, marks, accuracy)
    SELECT uuidv7(-age), recording.id, recording.call_id, gen_random_uuid(),
           (SELECT id FROM qa.scorecards WHERE code = 'short' ORDER BY version DESC LIMIT 1),
           'auditor-' || (n - 1) / $1::int, 'standard', CASE WHEN open THEN 'draft' ELSE 'submitted' END,
           1 + (NOT open)::int, (NOT open)::int, '{}', CASE WHEN NOT open THEN 90 END, CASE WHEN NOT open THEN 90 END,
           CASE WHEN NOT open THEN 'passed' END, '{}', now() - age, CASE WHEN NOT open THEN now() - age END,
           CASE WHEN NOT open THEN now() - age END, '{}', '{}'
    FROM (SELECT n, random() * interval '365 days' AS age, random() < $3::float8 AS open
          FROM generate_series(1, $2::int) AS n) AS numbered
    JOIN (SELECT id, call_id, row_number() OVER (ORDER BY id) AS place FROM qa.recordings) AS recording
      ON recording.place = 1 + (n - 1) % $1::int
    ORDER BY age DESC
"""
