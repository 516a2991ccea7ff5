"""What would a coaching rule have done?"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

from services.training.domain.rules import Memory, Person, Result, Rule, Trial, consider, in_order, of_scorecard
from services.training.repository import audits, catalogue, coaching, people
from shared.calendar import add_working_days, local_day
from shared.db import Tx


async def try_rule(rule: Rule, since: datetime, until: datetime, tx: Tx) -> Trial:
    """What the rule would have done in this time beside the other active rules, without doing it.

    The rule counts as active. Audits are taken as they stand today, roles and teams too. What a rule led to counts as
    open up to its due day.
    """
    rules = in_order([*(r for r in await coaching.rules(tx) if r.id != rule.id), replace(rule, active=True)])
    everybody = await people.everybody(tx, date.min)
    trainability, courses = await coaching.trainability(tx), await catalogue.courses_by_competency(tx)
    looks = audits.repeats(rules)
    back = max((repeat.audits or 0 for repeat in looks), default=0)
    days = max((repeat.days or (400 if repeat.audits else 0) for repeat in looks), default=0)
    zone, calendar = tx.settings.zone, tx.settings.working_days
    trial = Trial()
    memory = Memory()
    before: dict[UUID, list[Result]] = {}
    dues: dict[tuple[date, int], date] = {}
    # Rules below this one cannot hold it back, unless they are in the other contest.
    rivals = [r for r in rules if r.contest == rule.contest]
    rivals = rivals[: rivals.index(next(r for r in rivals if r.id == rule.id)) + 1]
    by_scorecard: dict[str, list[Rule]] = {}
    async for part in audits.standing(tx, since - timedelta(days=days), until):
        for result in part:
            employee = result.employee_id
            recent = before.get(employee, [])
            if result.submitted_at >= since:
                trial.audits += 1
                if not result.passed:
                    day = local_day(result.submitted_at, zone)
                    person = everybody.get(employee) or Person(employee)
                    if result.scorecard not in by_scorecard:
                        by_scorecard[result.scorecard] = of_scorecard(rivals, result.scorecard)
                    for firing in consider(
                        result, by_scorecard[result.scorecard], person, recent, memory, day=day, disputed=False,
                        trainability=trainability, courses=courses,
                    ):  # fmt: skip
                        if firing.reason is None:
                            key = day, firing.rule.due_working_days
                            if key not in dues:
                                dues[key] = add_working_days(*key, calendar)
                            memory.note(firing, employee, day, dues[key])
                        if firing.rule.id == rule.id:
                            trial.note(firing, result)
            if back or days:
                recent = [result, *recent]
                before[employee] = recent[: max(back, 200) if days else back]
    return trial
