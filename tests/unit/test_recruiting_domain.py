"""The steps of recruiting as data, and what may become of an employee."""

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from services.recruiting.domain.employees import Employee, change, differences, leave
from services.recruiting.domain.steps import STEPS
from shared.errors import IllegalState, Invalid

TODAY = date(2026, 3, 2)

# The two columns of the source: number and name, as the call centre and human resources have them.
CALL_CENTRE = [
    "1招聘计划的制订与审批",
    "3岗位分析及胜任素质特征描述",
    "5简历筛选、确定初试者名单",
    "8负责面试及笔试工作",
    "10复试及择优",
    "11确定录用名单",
    "13试用期工作安排",
    "15岗前培训及考核",
    "17试用期评定",
    "18正式录用决策",
    "21人力资源规划修订",
]
HR = [
    "2招聘信息的发布",
    "4选择招聘渠道,搜集应聘简历",
    "6通知候选人参加初试",
    "7面试、笔试、素质测试的组织",
    "9候选人个人资料的核实",
    "12安排体检及录取通知",
    "14试用期合同签订",
    "16企业文化、制度培训及考核",
    "19正式合同签订",
    "20定岗定薪",
    "22人力资源规划修订",
]


def an_employee(**particulars: Any) -> Employee:
    return replace(
        Employee(
            uuid4(), "1001", "Li Na", "customer service", "agent", "a", None, None,
            since=date(2026, 1, 5), holds_from=date(2026, 1, 5),
        ),
        **particulars,
    )  # fmt: skip


def test_the_steps_are_those_of_the_source() -> None:
    assert [step.n for step in STEPS] == list(range(1, 23))
    assert Counter(step.owner for step in STEPS) == {"call_centre": 11, "hr": 11}
    assert [f"{s.n}{s.name_zh}" for s in STEPS if s.owner == "call_centre"] == CALL_CENTRE
    assert [f"{s.n}{s.name_zh}" for s in STEPS if s.owner == "hr"] == HR
    assert {s.n for s in STEPS if s.scope == "requisition"} == {1, 2, 3, 4, 21, 22}


def test_the_steps_can_be_told_apart_and_read() -> None:
    assert len({step.key for step in STEPS}) == 22
    assert all(step.key.replace("_", "").isalpha() and step.key.islower() for step in STEPS)
    assert all(step.name_en and step.finished_when for step in STEPS)


def test_a_change_holds_from_a_day_on() -> None:
    employee = an_employee()
    assert change(employee, {"team": "b"}, None, TODAY) == replace(employee, team="b", holds_from=TODAY)
    later = date(2026, 4, 1)
    assert change(employee, {"team": "b"}, later, TODAY).holds_from == later
    assert change(employee, {"team": "a"}, later, TODAY) is employee


def test_a_change_without_a_day_does_not_go_behind_one_already_planned() -> None:
    planned = an_employee(holds_from=date(2026, 4, 1))
    assert change(planned, {"team": "b"}, None, TODAY).holds_from == planned.holds_from


def test_a_change_cannot_hold_from_before_the_present_state() -> None:
    with pytest.raises(Invalid) as problem:
        change(an_employee(), {"team": "b"}, date(2026, 1, 4), TODAY)
    assert [error["field"] for error in problem.value.errors] == ["date"]


def test_a_name_has_no_day() -> None:
    gone = an_employee(left_on=TODAY)
    assert change(gone, {"name": "Li Nana"}, None, TODAY) == replace(gone, name="Li Nana")


@pytest.mark.parametrize("field", ["team_lead_id", "mentor_id"])
def test_nobody_leads_or_mentors_themselves(field: str) -> None:
    employee = an_employee()
    with pytest.raises(Invalid) as problem:
        change(employee, {field: employee.id}, None, TODAY)
    assert [error["field"] for error in problem.value.errors] == [field]


def test_who_is_gone_does_not_change() -> None:
    gone = an_employee(left_on=TODAY)
    with pytest.raises(IllegalState, match="2026-03-02"):
        change(gone, {"team": "b"}, None, TODAY)
    assert change(gone, {"team": "b"}, date(2026, 3, 1), TODAY).team == "b"


def test_leaving_is_recorded_once() -> None:
    employee = an_employee()
    gone = leave(employee, TODAY)
    assert gone.left_on == TODAY
    assert leave(gone, TODAY) is gone
    with pytest.raises(IllegalState):
        leave(gone, date(2026, 3, 3))
    with pytest.raises(Invalid):
        leave(employee, date(2026, 1, 4))
    assert leave(employee, employee.since).left_on == employee.since  # never came


def test_events_carry_no_name() -> None:
    employee = an_employee(left_on=TODAY)
    for event in (employee.started(), employee.changed(), employee.left()):
        assert "Li Na" not in event.model_dump_json()


def test_history_has_what_changed() -> None:
    employee = an_employee()
    before, after = differences(None, employee)
    assert before is None
    assert after["since"] == "2026-01-05"
    assert differences(employee, replace(employee, team="b")) == ({"team": "a"}, {"team": "b"})
