"""Which steps lead from a headcount plan to a graded employee, and who owns each?

The process is data: a step is a row. Source: a table of two columns, the call centre's and human resources', eleven
steps each, numbered in time order across both; kept in Chinese beside the English.
"""

from dataclasses import dataclass
from typing import Literal

Owner = Literal["call_centre", "hr"]
Scope = Literal["requisition", "application"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `n` from 1 to 22 in time order, the side that completes it, and what it is done on."""

    n: int
    key: str
    owner: Owner
    scope: Scope
    name_en: str
    name_zh: str
    finished_when: str


STEPS: tuple[Step, ...] = (
    Step(
        1, "plan_headcount", "call_centre", "requisition",
        "plan headcount and have it approved", "招聘计划的制订与审批",
        "headcount, role, date needed, reason recorded; an approver other than the author decides",
    ),
    Step(
        2, "publish_vacancy", "hr", "requisition",
        "publish the vacancy", "招聘信息的发布",
        "a posting with channel-independent text exists",
    ),
    Step(
        3, "analyse_job", "call_centre", "requisition",
        "analyse the job, describe its competencies", "岗位分析及胜任素质特征描述",
        "job description and a weighted competency profile",
    ),
    Step(
        4, "choose_channels", "hr", "requisition",
        "choose channels, collect résumés", "选择招聘渠道,搜集应聘简历",
        "at least one channel; applications may come in from here on",
    ),
    Step(
        5, "screen_resumes", "call_centre", "application",
        "screen résumés, list candidates for the first interview", "简历筛选、确定初试者名单",
        "pass or reject with a reason",
    ),
    Step(
        6, "notify_candidates", "hr", "application",
        "notify candidates", "通知候选人参加初试",
        "notice sent (channel, time, place), acknowledged or not",
    ),
    Step(
        7, "organise_tests", "hr", "application",
        "organise interviews, written and aptitude tests", "面试、笔试、素质测试的组织",
        "interviewers, time, place, papers scheduled",
    ),
    Step(
        8, "conduct_interview", "call_centre", "application",
        "conduct interview and written test", "负责面试及笔试工作",
        "scores per competency and paper; pass or reject",
    ),
    Step(
        9, "verify_particulars", "hr", "application",
        "verify the candidate's particulars", "候选人个人资料的核实",
        "identity, education, employment verified, or discrepancy recorded",
    ),
    Step(
        10, "second_interview", "call_centre", "application",
        "second interview, select the best", "复试及择优",
        "ranked result; pass, reserve or reject",
    ),
    Step(
        11, "decide_hiring_list", "call_centre", "application",
        "decide the hiring list", "确定录用名单",
        "on the list within the approved headcount, or not",
    ),
    Step(
        12, "medical_and_offer", "hr", "application",
        "medical examination and offer", "安排体检及录取通知",
        "medical result, offer sent, accepted or declined",
    ),
    Step(
        13, "arrange_probation", "call_centre", "application",
        "arrange work in probation", "试用期工作安排",
        "team, mentor, start date",
    ),
    Step(
        14, "sign_probation_contract", "hr", "application",
        "sign the probation contract", "试用期合同签订",
        "contract dates; the candidate becomes an employee on probation",
    ),
    Step(
        15, "pre_job_training", "call_centre", "application",
        "pre-job training and examination", "岗前培训及考核",
        "the training service reports the result",
    ),
    Step(
        16, "culture_training", "hr", "application",
        "culture and policy training and examination", "企业文化、制度培训及考核",
        "the training service reports the result",
    ),
    Step(
        17, "evaluate_probation", "call_centre", "application",
        "evaluate probation", "试用期评定",
        "the performance service reports the probation appraisal",
    ),
    Step(
        18, "decide_employment", "call_centre", "application",
        "decide on formal employment", "正式录用决策",
        "employ, extend probation once, or end",
    ),
    Step(
        19, "sign_formal_contract", "hr", "application",
        "sign the formal contract", "正式合同签订",
        "contract dates",
    ),
    Step(
        20, "fix_grade_and_pay", "hr", "application",
        "fix grade and pay", "定岗定薪",
        "role, grade, pay band",
    ),
    Step(
        21, "revise_centre_plan", "call_centre", "requisition",
        "revise its workforce plan", "人力资源规划修订",
        "plan against actual, reasons, changes",
    ),
    Step(
        22, "revise_company_plan", "hr", "requisition",
        "revise the company's workforce plan", "人力资源规划修订",
        "plan against actual, reasons, changes, for human resources",
    ),
)  # fmt: skip
