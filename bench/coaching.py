"""How soon has a burst of failed audits led to coaching, and how long does it take to try a rule on the past?"""

import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from bench.calls import put_into_kafka
from bench.client import Job, all_answered, request, send_from_outside
from bench.measure import Line, NotMeasured, Scale, in_turns
from bench.place import Commits, Place, commits, skip_backlog, until
from shared.contracts.qa import AuditFailed, FailedCriterion
from shared.events import Letter
from shared.ids import new_id

BURST = 5_000
AUDITS = 200_000
RULES = 50
AGENTS = 600
CARDS = 5
COMPETENCIES = 23

# Beside the four that ship, rules for single competencies on single scorecards, some of which look back.
_RULES = """
    INSERT INTO training.coaching_rules (id, key, condition, action, topic, due_working_days, priority, coaches,
                                         name_en, name_zh, cooldown_days)
    SELECT gen_random_uuid(), 'rule_' || n, jsonb_strip_nulls(jsonb_build_object(
               'scorecards', jsonb_build_array('card_' || n % $2), 'competencies', jsonb_build_array('k_' || n % $3),
               'repeated', CASE WHEN n % 4 = 0 THEN jsonb_build_object('times', 2, 'days', 30) END,
               'score_below', CASE WHEN n % 3 = 0 THEN 60 END)),
           'coaching', 'topic_' || n, 5, 100 + n, '{mentor,team_lead}', 'rule ' || n, 'rule ' || n, n % 2 * 14
    FROM generate_series(1, $1::int - (SELECT count(*) FROM training.coaching_rules)) AS n
"""
_PEOPLE = """
    INSERT INTO training.employees (employee_id, agent_id, role, team, team_lead_id, mentor_id, known_at)
    SELECT id, 'agent-' || n, 'agent', 'team-' || n % 40, (CAST($1 AS uuid[]))[1 + n % 40],
           (CAST($1 AS uuid[]))[1 + n % 100], now()
    FROM unnest(CAST($1 AS uuid[])) WITH ORDINALITY AS one (id, n)
"""


async def burst(place: Place, scale: Scale) -> list[Line]:
    """`headset work training` with all its policies, and with one that writes a row, for each or for all of a batch. As
    in `bench.consume`, what is timed are the commits of the inbox rows."""
    number = max(scale.of(BURST), 2_500)
    people = [new_id() for _ in range(AGENTS)]
    await _centre(place, await place.database("coaching"), people)
    made: dict[str, Any] = {}

    def side(table: str, *words: str, module: str) -> Callable[[], Any]:
        async def sample() -> Commits:
            url = await place.database("burst", "coaching")
            settings = await place.settings(url)
            await skip_backlog(settings, "training")
            await put_into_kafka(settings, _failed(people, number))
            await place.checkpoint()
            async with place.connection(url) as connection:

                async def all_there() -> bool:
                    return bool(await connection.fetchval("SELECT count(*) FROM training.inbox") >= number)

                async with place.headset(*words, "work", "training", url=url, module=module) as process:
                    await until(all_there, 120, process, every=0.25)
                stored = await connection.fetchval(f"SELECT count(*) FROM {table}")
                if stored != number:
                    raise NotMeasured(f"{number} failed audits led to {stored} rows of {table}")
                made[module] = await connection.fetchval("SELECT count(*) FROM training.coaching_firings")
                return await commits(connection, "training.inbox")

        return sample

    samples = await in_turns(
        {
            "product": side("training.coaching_assignments", module="services"),
            "each": side("training.audit_states", "each", module="bench.one_row"),
            "batch": side("training.audit_states", "batch", module="bench.one_row"),
        }
    )
    facts = {"audits": number, "rules": RULES, "audits a commit": [len(s.rows) for s in samples["product"]]}
    return [
        Line(
            f"failed audit to assignment, burst of {number:,}, {RULES} rules", f"the worker, storing a row for {what}",
            "events/s", [s.rate for s in samples["product"]], [s.rate for s in samples[name]], at_least=0.4,
            facts={**facts, "firings logged": made["services"]},
        )
        for name, what in (("each", "each audit"), ("batch", "each audit, a batch at once"))
    ]  # fmt: skip


async def _centre(place: Place, url: str, people: list[UUID]) -> None:
    async with place.connection(url) as connection:
        await connection.execute(_RULES, RULES, CARDS, COMPETENCIES)
        await connection.execute(_PEOPLE, people)
        await connection.execute("ANALYZE")


def _failed(people: list[UUID], number: int) -> list[Letter]:
    """Failed audits of the last hour, one in ten with a critical error, each with one to three failed criteria."""
    chance = random.Random(7)
    now = datetime.now(UTC)
    letters = []
    for n in range(number):
        missed = chance.sample(range(COMPETENCIES), chance.choice((1, 1, 2, 3)))
        failed = tuple(
            FailedCriterion(
                criterion=f"c_{k}", competency=f"k_{k}", error_class=chance.choice(("none", "customer_critical")),
                score=Decimal(0),
            )
            for k in missed
        )  # fmt: skip
        event = AuditFailed(
            audit_id=new_id(), revision=1, recording_id=new_id(), call_id=str(new_id()),
            employee_id=chance.choice(people), auditor_id="bench-auditor",
            scorecard=f"card_{chance.randrange(CARDS)}@1",
            score=Decimal(chance.randrange(40, 80)), passing_score=Decimal(80),
            critical_errors=(f"c_{missed[0]}",) if chance.random() < 0.1 else (), failed_criteria=failed,
            submitted_at=now - timedelta(seconds=3600 * (number - n) / number),
        )  # fmt: skip
        letters.append(Letter.seal(event, source="qa", at=now))
    return letters


async def trials(place: Place, scale: Scale) -> list[Line]:
    """`POST /training/coaching-rules/{id}/trial` over a year; of the rule that all others come before, and of one that
    looks back at earlier audits."""
    number = scale.of(AUDITS)
    url = await place.database("trials")
    people = [new_id() for _ in range(AGENTS)]
    await _centre(place, url, people)
    since = datetime.now(UTC).date() - timedelta(days=365)
    period = f'{{"from": "{since}", "to": "{since + timedelta(days=366)}"}}'.encode()
    lines = []
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(place.connection(url))
        await connection.execute(_AUDITS, people, number, CARDS, COMPETENCIES)
        await connection.execute("VACUUM (ANALYZE) training.audit_results, training.audit_states")
        server = await stack.enter_async_context(place.headset("serve", "training", url=url, kafka=False))
        for key, what in (("any_fail", "that all others come before"), ("failed_again", "that looks back")):
            id = await connection.fetchval("SELECT id FROM training.coaching_rules WHERE key = $1", key)
            asked = request(f"/training/coaching-rules/{id}/trial", place.token("trainer"), period)

            async def tried(asked: bytes = asked) -> float:
                [answer] = all_answered(await send_from_outside(Job(server.port, [asked], 1)), 200)
                return answer.at - answer.sent

            async def read() -> float:
                began = time.perf_counter()
                found = await connection.fetch(_READ)
                seconds = time.perf_counter() - began
                if len(found) != number:
                    raise NotMeasured(f"{len(found)} audits stand instead of {number}")
                return seconds

            samples = await in_turns({"trial": tried, "read": read})
            lines.append(
                Line(
                    f"trial over {number:,} audits of a rule {what}", "SQL that reads the audits", "s",
                    samples["trial"], samples["read"], at_most=5, facts={"rules": RULES, "rule": key},
                )
            )  # fmt: skip
    return lines


# Two in five failed, with one to three criteria.
_AUDITS = """
    WITH made AS (
        INSERT INTO training.audit_results (audit_id, employee_id, scorecard, submitted_at, score, passed, critical,
                                            criteria, competencies, error_classes)
        SELECT uuidv7(), (CAST($1 AS uuid[]))[1 + n % cardinality(CAST($1 AS uuid[]))], 'card_' || n % $3::int || '@1',
               now() - n * interval '365 days' / $2::int, CASE WHEN failed = 0 THEN 90 ELSE 40 + n % 40 END,
               failed = 0, failed > 0 AND n % 10 = 0,
               ARRAY(SELECT 'c_' || (n * 7 + k * 3) % $4::int FROM generate_series(1, failed) AS k),
               ARRAY(SELECT 'k_' || (n * 7 + k * 3) % $4::int FROM generate_series(1, failed) AS k),
               array_fill('none'::text, ARRAY[failed])
        FROM (SELECT n, CASE WHEN random() < 0.4 THEN 1 + (random() * 2)::int ELSE 0 END AS failed
              FROM generate_series(1, $2::int) AS n) AS numbered
        RETURNING audit_id, passed
    )
    INSERT INTO training.audit_states (audit_id, revision, owed)
    SELECT audit_id, 1, true FROM made WHERE NOT passed
"""
_READ = """
    SELECT result.audit_id, result.employee_id, result.scorecard, result.submitted_at, result.score, result.passed,
           result.critical, result.criteria, result.competencies, result.error_classes, state.remaining
    FROM training.audit_results AS result LEFT JOIN training.audit_states AS state USING (audit_id)
    WHERE coalesce(state.owed, result.passed) ORDER BY result.submitted_at, result.audit_id
"""
