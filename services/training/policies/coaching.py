"""When an audit was failed, disputed, rescored or overturned, what becomes of coaching?

All of it in bulk, for audits come in bursts: the same statements whatever the number of letters.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from services.training.domain.coaching import DISPUTED, UPHELD, Assignment, Audit, assign, follow, settled
from services.training.domain.rules import (
    Firing,
    Memory,
    Person,
    Result,
    Rule,
    choose_coach,
    consider,
    in_order,
    next_coach,
    of_scorecard,
)
from services.training.repository import audits, catalogue, coaching, people
from services.training.repository.coaching import Step
from services.training.watching import count_decided
from shared.calendar import add_working_days, local_day
from shared.contracts.qa import (
    AuditDisputed,
    AuditFailed,
    AuditOverturned,
    AuditPassed,
    AuditRescored,
    AuditRevised,
)
from shared.contracts.recruiting import EmployeeLeft, EmployeeStarted
from shared.contracts.training import CoachingAssigned, CoachingCancelled, CoachingEvent, CoachingOverdue
from shared.db import Tx
from shared.delivery import Delivered, bulk
from shared.events import Letter

US = "training"
"""Who acts, where no person does."""

_TELLS: Mapping[str, type[CoachingEvent]] = {
    "cancelled": CoachingCancelled,
    "reinstated": CoachingAssigned,
    "resumed": CoachingAssigned,
}
"""What others hear when an assignment follows its audit."""


@bulk
async def remember_passes(delivered: Sequence[Delivered[AuditPassed]], tx: Tx) -> None:
    """Passes count in rules that look back, and follow coaching up."""
    results = {event.audit_id: audits.result_of(event, passed=True) for event, _ in delivered}
    await audits.note_results(tx, results.values())
    await coaching.follow_up(tx, sorted({result.employee_id for result in results.values()}))


@bulk
async def owe_only_what_stands(delivered: Sequence[Delivered[AuditRevised]], tx: Tx) -> None:
    """Coaching is owed for a fail that stands: take it back, keep it or bring it back."""
    await _learn(((event, _revised(event, letter, tx), letter) for event, letter in delivered), tx)


@bulk
async def wait_for_the_dispute(delivered: Sequence[Delivered[AuditDisputed]], tx: Tx) -> None:
    """While an employee's objection is open, nobody is coached for it."""
    await _learn(((event, _disputed(event, letter, tx), letter) for event, letter in delivered), tx)


def _revised(event: AuditRevised, letter: Letter, tx: Tx) -> Audit:
    if isinstance(event, AuditOverturned) or event.passed is not False:
        return Audit(event.revision, owed=False)
    remaining = None
    if isinstance(event, AuditRescored) and event.failed_criteria is not None:
        remaining = tuple(failed.criterion for failed in event.failed_criteria)
    day = local_day(letter.time, tx.settings.zone)
    return Audit(event.revision, owed=True, decided_on=day, remaining=remaining)


def _disputed(event: AuditDisputed, letter: Letter, tx: Tx) -> Audit:
    if event.open:
        return Audit(event.revision, owed=True, stage=DISPUTED)
    day = local_day(letter.time, tx.settings.zone)
    return Audit(event.revision, owed=True, stage=UPHELD, decided_on=day)


async def _learn(facts: Iterable[tuple[AuditRevised | AuditDisputed, Audit, Letter]], tx: Tx) -> None:
    known: dict[UUID, Audit] = {}
    causes: dict[UUID, Letter] = {}
    employees: set[UUID] = set()
    for event, audit, letter in facts:
        id = event.audit_id
        employees.add(event.employee_id)
        known[id] = known[id].newest(audit) if id in known else audit
        causes[id] = letter
    newest = await audits.note_states(tx, known)
    await _follow(newest, causes, tx)
    await coaching.follow_up(tx, sorted(employees))  # what followed up may not stand any more


async def _follow(newest: Mapping[UUID, Audit], causes: Mapping[UUID, Letter], tx: Tx) -> None:
    """Assignments and courses follow their audits; where the fail is still to come, what is known is kept for it."""
    for before in await coaching.hold_by_audit(tx, newest):
        after, action = follow(before, newest[before.audit_id], tx.now, tx.settings.working_days)
        if after == before:
            continue
        cause = causes[before.audit_id]
        after = await coaching.save(tx, before, after, action, actor=US, cause=cause.id)
        if action == "resumed" and after.status != "proposed":
            await coaching.log_resumed(tx, after)
        if action in _TELLS and "proposed" not in (before.status, after.status):
            tx.emit(after.event(_TELLS[action]), because=cause)
    await catalogue.follow_audits(tx, newest)


@bulk
async def coach_what_was_missed(delivered: Sequence[Delivered[AuditFailed]], tx: Tx) -> None:
    """One assignment for each failed audit; if the audit was overturned before we heard of it, a cancelled one."""
    fails = {event.audit_id: event for event, _ in delivered}
    letters = {event.audit_id: letter for event, letter in delivered}
    known = await audits.note_states(tx, {id: Audit(event.revision, owed=True) for id, event in fails.items()})
    results = {id: audits.result_of(event, passed=False) for id, event in fails.items()}
    new = await audits.note_results(tx, results.values())
    if new:
        deciding = await _Deciding.prepare(tx, [results[id] for id in fails if id in new])
        await deciding.decide([fails[id] for id in fails if id in new], known, letters)
        await coaching.follow_up(tx, sorted({fails[id].employee_id for id in new}))
        tx.on_commit(partial(count_decided, [letters[id].time for id in new], tx))
    again = {id: known[id] for id in fails if id not in new}
    if again:
        await _follow(again, letters, tx)


class _Deciding:
    """What deciding about some failed audits needs to know; read once for all of them."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.rules: list[Rule] = []
        self.by_scorecard: dict[str, list[Rule]] = {}
        self.people: dict[UUID, Person] = {}
        self.before: dict[UUID, list[Result]] = {}
        self.memory = Memory()
        self.loads: dict[UUID, int] = {}
        self.trainability: Any = {}
        self.courses: dict[str, str] = {}

    @classmethod
    async def prepare(cls, tx: Tx, results: Sequence[Result]) -> "_Deciding":
        it = cls(tx)
        it.results = {result.audit_id: result for result in results}
        it.rules = in_order(await coaching.rules(tx))
        it.by_scorecard = {card: of_scorecard(it.rules, card) for card in {result.scorecard for result in results}}
        employees = {result.employee_id for result in results}
        today = local_day(tx.now, tx.settings.zone)
        it.people = await people.hold(tx, employees, today)
        it.before = await audits.before(tx, results, audits.repeats(it.rules))
        it.trainability = await coaching.trainability(tx)
        cooling = [rule.key for rule in it.rules if rule.cooldown_days]
        it.memory.acted = await audits.last_acted(tx, list(employees), cooling)
        once = [rule.key for rule in it.rules if rule.unless_open and rule.action != "course"]
        still = await coaching.open_of(tx, employees, once)
        if any(rule.action == "course" for rule in it.rules):
            it.courses = await catalogue.courses_by_competency(tx)
            still += await catalogue.open_of(tx, employees)
        it.memory.open = dict.fromkeys(still, date.max)
        it.loads = await coaching.loads(tx, {id for rule in it.rules for id in rule.coach_group}, today)
        return it

    results: dict[UUID, Result]

    async def decide(
        self, fails: Sequence[AuditFailed], known: Mapping[UUID, Audit], letters: Mapping[UUID, Letter]
    ) -> None:
        tx, zone = self.tx, self.tx.settings.zone
        made: list[tuple[Assignment, Assignment, str]] = []
        fired: list[tuple[Firing, UUID, UUID, date]] = []
        enrolled: list[catalogue.Wish] = []
        for event in sorted(fails, key=lambda event: (event.submitted_at, event.audit_id)):
            id, audit, day = event.audit_id, known[event.audit_id], local_day(event.submitted_at, zone)
            disputed = audit.owed and audit.stage == DISPUTED
            for firing in self._consider(self.results[id], day, disputed):
                fired.append((firing, id, event.employee_id, day))
                if firing.reason not in (None, "in_dispute"):
                    continue
                due_on = add_working_days(day, firing.rule.due_working_days, tx.settings.working_days)
                self.memory.note(firing, event.employee_id, day, date.max)
                if firing.rule.action == "course":
                    enrolled += [catalogue.Wish(event.employee_id, c, "coaching", "coaching", str(id), due_on)
                                 for c in firing.courses]  # fmt: skip
                else:
                    made.append(self._assign(event, firing.rule, day, audit))
        added = await coaching.add_assignments(tx, [after for _, after, _ in made])
        steps: list[Step] = []
        for first, after, action in made:
            if after.audit_id not in added:
                continue
            letter = letters[after.audit_id]
            steps.append(Step(None, first, "proposed" if first.status == "proposed" else "assigned", US, letter.id))
            if after.version > 1:
                steps.append(Step(first, after, action, US, letter.id))
            if after.status == "assigned":
                tx.emit(after.event(CoachingAssigned), because=letter)
        await coaching.remember(tx, steps)
        await coaching.log_firings(tx, fired)
        if enrolled:
            await catalogue.enrol(tx, enrolled, actor=US)
            await catalogue.follow_audits(tx, {id: known[id] for id in self.results})

    def _consider(self, result: Result, day: date, disputed: bool) -> list[Firing]:
        when = (result.submitted_at, result.audit_id)
        recent = [r for r in self.before.get(result.employee_id, ()) if (r.submitted_at, r.audit_id) < when]
        return consider(
            result, self.by_scorecard[result.scorecard], self.people[result.employee_id], recent, self.memory,
            day=day, disputed=disputed, trainability=self.trainability, courses=self.courses,
        )  # fmt: skip

    def _assign(self, event: AuditFailed, rule: Rule, day: date, audit: Audit) -> tuple[Assignment, Assignment, str]:
        """The assignment as the fail alone makes it, as what else is known of the audit makes it, and what that is."""
        tx, calendar = self.tx, self.tx.settings.working_days
        coach = choose_coach(rule, self.people[event.employee_id], self.loads)
        if coach in self.loads:
            self.loads[coach] += 1
        first = assign(event, rule, coach, day=day, at=tx.now, calendar=calendar)
        if audit == Audit(event.revision, owed=True):
            return first, first, ""
        after, action = follow(first, audit, tx.now, calendar)
        if replace(after, audit_revision=first.audit_revision) == first:
            return after, after, action
        return first, replace(after, version=2), action


@bulk
async def find_missing_coaches(delivered: Sequence[Delivered[EmployeeStarted]], tx: Tx) -> None:
    """Coaching that was assigned before anybody was known to do it gets its coach.

    After `know_employees`, whose locks on the employees make assignments of theirs wait, or us for them.
    """
    causes = {event.employee_id: letter.id for event, letter in delivered}
    if await coaching.hold_without_coach(tx, causes, local_day(tx.now, tx.settings.zone)):
        await _find_coaches(causes, tx)


async def replace_coaches(event: EmployeeLeft, tx: Tx) -> None:
    """Somebody else takes over what a coach who has left did not finish. After `note_leaving`."""
    alone = await coaching.without_coach(tx, local_day(tx.now, tx.settings.zone), event.employee_id)
    await _find_coaches(dict.fromkeys(alone, tx.cause and tx.cause.id), tx)


async def replace_coaches_gone_today(tx: Tx) -> None:
    """Who is to leave on a day that was told before has left when the day comes."""
    alone = await coaching.without_coach(tx, local_day(tx.now, tx.settings.zone))
    await _find_coaches(dict.fromkeys(alone), tx)


async def _find_coaches(causes: Mapping[UUID, str | None], tx: Tx) -> None:
    """Coaches for what these employees owe: where there is none yet, where the one there was has left, and anew where
    somebody stands in. `causes`: employee → the event behind it."""
    today = local_day(tx.now, tx.settings.zone)
    known = await people.hold(tx, causes, today, known=True) if causes else {}
    waiting = await coaching.hold_without_coach(tx, causes, today) if known else []
    if not waiting:
        return
    rules = {rule.key: rule for rule in await coaching.rules(tx)}
    loads = await coaching.loads(tx, {id for rule in rules.values() for id in rule.coach_group}, today)
    for before in waiting:
        rule, person = rules.get(before.rule), known[before.employee_id]
        if before.coach_id or before.stand_in:
            after = replace(before, coach_id=next_coach(rule, person, loads, before.coach_id), stand_in=True)
        else:
            after = replace(before, coach_id=choose_coach(rule, person, loads) if rule else None)
        if after != before:
            action = "coach_replaced" if after.stand_in else "coach_found"
            await coaching.save(tx, before, after, action, actor=US, cause=causes[before.employee_id])


async def end_coaching_of(event: EmployeeLeft, tx: Tx) -> None:
    """Who has left is coached no more. After `note_leaving`, whose lock makes assignments of theirs wait."""
    await _end_coaching(tx, event.employee_id)


async def end_coaching_of_leavers(tx: Tx) -> None:
    """Also of those whose last day was told before it came."""
    await _end_coaching(tx)


async def _end_coaching(tx: Tx, employee_id: UUID | None = None) -> None:
    today = local_day(tx.now, tx.settings.zone)
    for before in await coaching.hold_of_leavers(tx, today, employee_id):
        after = settled(replace(before, employee_left=True), tx.now)
        after = await coaching.save(tx, before, after, "left", actor=US, cause=tx.cause and tx.cause.id)
        if before.status not in ("proposed", "cancelled"):
            tx.emit(after.event(CoachingCancelled))


async def mark_what_is_late(tx: Tx) -> None:
    """Coaching whose last day has passed without it: marked, reported and escalated to the lead, once."""
    for before, lead in await coaching.hold_late(tx, local_day(tx.now, tx.settings.zone)):
        after = replace(before, overdue_at=tx.now, escalated_to=lead)
        late = await coaching.save(tx, before, after, "overdue", actor=US)
        tx.emit(late.event(CoachingOverdue, escalated_to=lead))
