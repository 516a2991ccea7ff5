"""Which steps lead from a headcount plan to a graded employee, who owns each, and where does each outcome lead?

The process is data: a step is a row, and `walk` walks the rows. To add a step, or to give one to the other side, change
a row. Source: a table of two columns, the call centre's and human resources', eleven steps each, numbered in time order
across both; kept in Chinese beside the English.

Three records have a life of their own: a requisition, an application for it, and the employment that an accepted offer
begins. An application and its employment share one line of statuses, for the one ends where the other begins.
"""

from dataclasses import dataclass
from typing import Literal

from services.recruiting.domain import forms
from services.recruiting.domain.forms import Form

Owner = Literal["call_centre", "hr"]
Scope = Literal["requisition", "application"]
Record = Literal["requisition", "application", "employment"]
Tells = Literal["advanced", "rejected", "withdrawn"]

Status = Literal[
    "planned", "returned", "open", "held", "filled", "closed", "cancelled",
    "reserve", "rejected", "withdrawn", "declined",
    "hired", "probation", "confirmed", "graded", "ended", "left",
]  # fmt: skip

STATUSES: dict[Scope, tuple[Status, ...]] = {
    "requisition": ("planned", "returned", "open", "held", "filled", "closed", "cancelled"),
    "application": (
        "open", "reserve", "rejected", "withdrawn", "declined",  # the application
        "hired", "probation", "confirmed", "graded", "ended", "left",  # the employment
    ),
}  # fmt: skip
"""The first is where a record begins."""

RUNNING: frozenset[Status] = frozenset({"open", "reserve", "hired", "probation", "confirmed"})
"""In which of them an application has something before it."""

WITHOUT_PLACE: frozenset[Status] = frozenset({"rejected", "withdrawn", "declined"})
"""In which of them an application has no place on the hiring list, or no longer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step may come to.

    It `completes` the step or leaves it open, leads `to` a status or leaves that as it is, `reopens` steps done before.
    `when`: in which statuses it may be recorded though the step is not open; without, the step has to be. `needs` names
    fields that this outcome cannot do without. `system`: not for people to record. `tells`: which event it makes.
    """

    key: str
    completes: bool = False
    to: Status | None = None
    reopens: frozenset[int] = frozenset()
    when: frozenset[Status] | None = None
    needs: tuple[str, ...] = ()
    system: bool = False
    tells: Tells | None = None


def _next(key: str, to: Status | None = None, *, needs: tuple[str, ...] = ()) -> Outcome:
    return Outcome(key, completes=True, to=to, needs=needs, tells="advanced")


def _again(key: str, *, needs: tuple[str, ...] = ()) -> Outcome:
    return Outcome(key, needs=needs)


_REJECT = Outcome("reject", to="rejected", needs=("reason",), tells="rejected")
_RESERVE = Outcome("reserve", to="reserve", needs=("reason",), tells="advanced")
_SKIPPED = Outcome("skipped", completes=True, when=frozenset({"open"}), system=True)
_EXAMINATION = (
    _next("passed"),
    _again("failed"),
    Outcome("failed_again", to="ended", system=True, tells="rejected"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `n` from 1 to 22 in time order, the side that completes it, and the record it belongs to.

    It is open while the record is in one of the statuses `during` and all steps `before` are done. `days` are the
    working days allowed from then on.
    """

    n: int
    key: str
    owner: Owner
    record: Record
    name_en: str
    name_zh: str
    finished_when: str
    before: frozenset[int]
    during: frozenset[Status]
    days: int
    form: type[Form]
    outcomes: tuple[Outcome, ...]

    @property
    def scope(self) -> Scope:
        return "requisition" if self.record == "requisition" else "application"

    def outcome(self, key: str) -> Outcome | None:
        return next((outcome for outcome in self.outcomes if outcome.key == key), None)


def _in(*statuses: Status) -> frozenset[Status]:
    return frozenset(statuses)


def _after(*steps: int) -> frozenset[int]:
    return frozenset(steps)


_SELECTION = _in("open", "reserve")
_REVISION = _in("filled", "closed")

STEPS: tuple[Step, ...] = (
    Step(
        1, "plan_headcount", "call_centre", "requisition",
        "plan headcount and have it approved", "招聘计划的制订与审批",
        "headcount, role, date needed, reason recorded; an approver other than the author decides",
        _after(), _in("planned", "returned"), 5, forms.PlanDecision,
        (
            Outcome("approved", completes=True, to="open", when=_in("planned"), tells="advanced"),
            Outcome("returned", to="returned", when=_in("planned"), needs=("reason",), tells="advanced"),
            Outcome("submitted", to="planned", when=_in("returned"), needs=("plan",), tells="advanced"),
            Outcome("held", to="held", when=_in("planned", "returned", "open"), needs=("reason",), tells="advanced"),
            Outcome("reopened", to="open", when=_in("held", "closed", "cancelled"), tells="advanced"),
            Outcome("cancelled", to="cancelled", when=_in("planned", "returned", "open", "held"), needs=("reason",),
                    tells="advanced"),
            Outcome("closed", to="closed", when=_in("open", "held", "filled"), needs=("reason",), tells="advanced"),
        ),
    ),
    Step(
        2, "publish_vacancy", "hr", "requisition",
        "publish the vacancy", "招聘信息的发布",
        "a posting with channel-independent text exists",
        _after(1, 3), _in("open"), 3, forms.Publication, (_next("published", needs=("title", "text")),),
    ),
    Step(
        3, "analyse_job", "call_centre", "requisition",
        "analyse the job, describe its competencies", "岗位分析及胜任素质特征描述",
        "job description and a weighted competency profile",
        _after(1), _in("open"), 5, forms.JobAnalysis, (_next("described", needs=("profile_id",)),),
    ),
    Step(
        4, "choose_channels", "hr", "requisition",
        "choose channels, collect résumés", "选择招聘渠道,搜集应聘简历",
        "at least one channel; applications may come in from here on",
        _after(1, 3), _in("open"), 3, forms.ChannelChoice, (_next("chosen", needs=("channels",)),),
    ),
    Step(
        5, "screen_resumes", "call_centre", "application",
        "screen résumés, list candidates for the first interview", "简历筛选、确定初试者名单",
        "pass or reject with a reason",
        _after(2, 4), _SELECTION, 5, Form, (_next("pass", "open"), _RESERVE, _REJECT),
    ),
    Step(
        6, "notify_candidates", "hr", "application",
        "notify candidates", "通知候选人参加初试",
        "notice sent (channel, time, place), acknowledged or not",
        _after(5), _SELECTION, 2, forms.Notice, (_next("notified", needs=("channel", "at", "place")), _REJECT),
    ),
    Step(
        7, "organise_tests", "hr", "application",
        "organise interviews, written and aptitude tests", "面试、笔试、素质测试的组织",
        "interviewers, time, place, papers scheduled",
        _after(6), _SELECTION, 3, forms.Appointment,
        (_next("scheduled", needs=("panel", "starts_at", "ends_at", "place")), _REJECT),
    ),
    Step(
        8, "conduct_interview", "call_centre", "application",
        "conduct interview and written test", "负责面试及笔试工作",
        "scores per competency and paper; pass or reject",
        _after(7), _SELECTION, 5, Form,
        (_next("pass"), _REJECT, Outcome("no_show", reopens=frozenset({7}))),
    ),
    Step(
        9, "verify_particulars", "hr", "application",
        "verify the candidate's particulars", "候选人个人资料的核实",
        "identity, education, employment verified, or discrepancy recorded",
        _after(8), _SELECTION, 5, forms.Verification,
        (_next("verified"), _next("mismatch"), _again("recorded", needs=("documents",)), _REJECT, _SKIPPED),
    ),
    Step(
        10, "second_interview", "call_centre", "application",
        "second interview, select the best", "复试及择优",
        "ranked result; pass, reserve or reject",
        _after(8, 9), _SELECTION, 5, Form, (_next("pass", "open"), _RESERVE, _REJECT),
    ),
    Step(
        11, "decide_hiring_list", "call_centre", "application",
        "decide the hiring list", "确定录用名单",
        "on the list within the approved headcount, or not",
        _after(9, 10), _SELECTION, 3, Form, (_next("pass", "open"), _RESERVE, _REJECT),
    ),
    Step(
        12, "medical_and_offer", "hr", "application",
        "medical examination and offer", "安排体检及录取通知",
        "medical result, offer sent, accepted or declined",
        _after(11), _SELECTION, 10, forms.Offering,
        (
            _again("fit"), _again("deferred"), Outcome("unfit", to="rejected", tells="rejected"),
            _again("offered", needs=("expires_on",)), _next("accepted"),
            Outcome("declined", to="declined", tells="withdrawn"), Outcome("expired", to="declined", tells="withdrawn"),
            _REJECT, _SKIPPED,
        ),
    ),
    Step(
        13, "arrange_probation", "call_centre", "employment",
        "arrange work in probation", "试用期工作安排",
        "team, mentor, start date",
        _after(12), _in("hired", "probation"), 5, forms.Arrangement, (_next("arranged", needs=("team", "starts_on")),),
    ),
    Step(
        14, "sign_probation_contract", "hr", "employment",
        "sign the probation contract", "试用期合同签订",
        "contract dates; the candidate becomes an employee on probation",
        _after(12), _in("hired"), 5, forms.ProbationContract,
        (_next("signed", "probation", needs=("kind", "starts_on")), _REJECT),
    ),
    Step(
        15, "pre_job_training", "call_centre", "employment",
        "pre-job training and examination", "岗前培训及考核",
        "the training service reports the result",
        _after(13, 14), _in("probation"), 15, forms.Examination, _EXAMINATION,
    ),
    Step(
        16, "culture_training", "hr", "employment",
        "culture and policy training and examination", "企业文化、制度培训及考核",
        "the training service reports the result",
        _after(14), _in("probation"), 15, forms.Examination, _EXAMINATION,
    ),
    Step(
        17, "evaluate_probation", "call_centre", "employment",
        "evaluate probation", "试用期评定",
        "the performance service reports the probation appraisal",
        _after(15, 16), _in("probation"), 60, forms.Evaluation, (_next("evaluated"),),
    ),
    Step(
        18, "decide_employment", "call_centre", "employment",
        "decide on formal employment", "正式录用决策",
        "employ, extend probation once, or end",
        _after(17), _in("probation"), 5, forms.EmploymentDecision,
        (
            _next("employ", "confirmed"),
            Outcome("extend", reopens=frozenset({17}), needs=("reason", "probation_ends_on"), tells="advanced"),
            Outcome("end", to="ended", needs=("reason",), tells="rejected"),
        ),
    ),
    Step(
        19, "sign_formal_contract", "hr", "employment",
        "sign the formal contract", "正式合同签订",
        "contract dates",
        _after(18), _in("confirmed"), 5, forms.FormalContract, (_next("signed", needs=("kind", "starts_on")),),
    ),
    Step(
        20, "fix_grade_and_pay", "hr", "employment",
        "fix grade and pay", "定岗定薪",
        "role, grade, pay band",
        _after(19), _in("confirmed"), 5, forms.Grading, (_next("graded", "graded", needs=("grade", "pay_band")),),
    ),
    Step(
        21, "revise_centre_plan", "call_centre", "requisition",
        "revise its workforce plan", "人力资源规划修订",
        "plan against actual, reasons, changes",
        _after(), _REVISION, 10, forms.Revision, (_next("revised", needs=("planned", "actual")),),
    ),
    Step(
        22, "revise_company_plan", "hr", "requisition",
        "revise the company's workforce plan", "人力资源规划修订",
        "plan against actual, reasons, changes, for human resources",
        _after(), _REVISION, 10, forms.Revision, (_next("revised", needs=("planned", "actual")),),
    ),
)  # fmt: skip

STEP: dict[int, Step] = {step.n: step for step in STEPS}

AS_A_WHOLE: dict[Scope, tuple[Outcome, ...]] = {
    "requisition": (
        Outcome("filled", to="filled", when=_in("open"), tells="advanced"),
        Outcome("unfilled", to="open", when=_in("filled"), tells="advanced"),
    ),
    "application": (
        Outcome("withdrawn", to="withdrawn", when=_in("open", "reserve", "hired"), tells="withdrawn"),
        Outcome("requisition_closed", to="rejected", when=_in("open", "reserve"), tells="rejected"),
        Outcome("proposed", when=_in("reserve"), tells="advanced"),
        Outcome("left", to="left", when=_in("hired", "probation", "confirmed"), tells="withdrawn"),
    ),
}
"""What happens to a record at no step of its own."""

DECIDED_AS_LISTS: frozenset[int] = frozenset({5, 10, 11})
SKIPPED_BY_INTERNAL: frozenset[int] = frozenset(
    step.n for step in STEPS if any(outcome.key == "skipped" for outcome in step.outcomes)
)
