"""What is handed in with each step?

One form a step, named by its row in `steps`. Which fields an outcome cannot do without is in the row, too; here they
are optional and have their types and limits.
"""

from datetime import date as Day
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.events import Code, ExternalId, Moment
from shared.numbers import Number, Score

ReasonCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,59}$")]
"""Coded, so that it can be counted, and so that no name is in it."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"^[^\x00]+$")]
Comment = Annotated[str, StringConstraints(max_length=5000, pattern=r"^[^\x00]*$")]
Place = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]+$")]
Money = Annotated[Number, Field(ge=0, max_digits=12, decimal_places=2)]
Paper = Literal["interview", "written_test", "aptitude_test"]
Document = Literal["identity", "education", "employment"]
DocumentStatus = Literal["requested", "received", "verified", "mismatch"]
Medical = Literal["fit", "unfit", "deferred"]
ContractKind = Literal["labour_with_probation", "probation_only", "confirmation", "formal"]


class Form(BaseModel):
    """What every step takes: the outcome, and a coded reason where one is asked for."""

    model_config = ConfigDict(extra="forbid")

    outcome: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    reason: ReasonCode | None = None
    comment: Comment | None = None


class Plan(BaseModel):
    """A headcount plan. A replacement names the employee who left."""

    model_config = ConfigDict(extra="forbid")

    department: Code | None = None
    role: Code
    headcount: Annotated[int, Field(ge=1, le=10_000)]
    reason: Literal["growth", "replacement"]
    replaces: UUID | None = None
    needed_on: Day
    pay_band: Code | None = None

    @model_validator(mode="after")
    def _names_the_leaver(self) -> Self:
        if (self.reason == "replacement") != (self.replaces is not None):
            raise ValueError("a replacement, and nothing else, names in `replaces` the employee who left")
        return self


class PlanDecision(Form):
    plan: Plan | None = None


class Publication(Form):
    title: Code | None = None
    text: Text | None = None
    closes_on: Day | None = None


class JobAnalysis(Form):
    profile_id: UUID | None = None


class ChannelCost(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channel: Code
    cost: Money = Decimal(0)


class ChannelChoice(Form):
    channels: Annotated[list[ChannelCost], Field(min_length=1, max_length=50)] | None = None


class Notice(Form):
    channel: Code | None = None
    at: Moment | None = None
    place: Place | None = None
    acknowledged: bool | None = None


class Meeting(BaseModel):
    """When, where and with whom. `panel` holds the subs of the interviewers."""

    model_config = ConfigDict(extra="forbid")

    panel: Annotated[list[ExternalId], Field(min_length=1, max_length=20)]
    starts_at: Moment
    ends_at: Moment
    place: Place
    papers: Annotated[list[Paper], Field(min_length=1, max_length=3)] = ["interview"]

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("an interview ends after it starts")
        if len(set(self.panel)) < len(self.panel) or len(set(self.papers)) < len(self.papers):
            raise ValueError("nobody is on the panel twice, and no paper is")
        return self


class Appointment(Form):
    panel: list[ExternalId] | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    place: Place | None = None
    papers: list[Paper] = ["interview"]


class Verification(Form):
    documents: dict[Document, DocumentStatus] | None = None


class Offering(Form):
    expires_on: Day | None = None


class Arrangement(Form):
    department: Code | None = None
    team: Code | None = None
    team_lead_id: UUID | None = None
    mentor_id: UUID | None = None
    starts_on: Day | None = None


class Contract(BaseModel):
    """Both ends are last days; without `ends_on` it is open-ended. Pay is that of a month."""

    model_config = ConfigDict(extra="forbid")

    kind: ContractKind
    starts_on: Day
    ends_on: Day | None = None
    probation_ends_on: Day | None = None
    pay: Money | None = None
    probation_pay: Money | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for end in (self.ends_on, self.probation_ends_on):
            if end is not None and end < self.starts_on:
                raise ValueError("no contract or probation ends before it starts")
        if self.ends_on and self.probation_ends_on and self.probation_ends_on > self.ends_on:
            raise ValueError("a probation does not last longer than its contract")
        if (self.kind in ("labour_with_probation", "probation_only")) != (self.probation_ends_on is not None):
            raise ValueError(
                "`probation_ends_on` goes with the kinds labour_with_probation and probation_only, and only these"
            )
        return self


class ProbationContract(Form):
    """`agent_id`: the login that telephony knows, where there is one already."""

    kind: ContractKind | None = None
    starts_on: Day | None = None
    ends_on: Day | None = None
    probation_ends_on: Day | None = None
    pay: Money | None = None
    probation_pay: Money | None = None
    agent_id: ExternalId | None = None


class Examination(Form):
    score: Score | None = None


class Evaluation(Form):
    score: Score | None = None


class EmploymentDecision(Form):
    """`date`: the first day no longer here, for `end`."""

    probation_ends_on: Day | None = None
    date: Day | None = None


class FormalContract(Form):
    kind: ContractKind | None = None
    starts_on: Day | None = None
    ends_on: Day | None = None
    pay: Money | None = None


class Grading(Form):
    role: Code | None = None
    grade: Code | None = None
    pay_band: Code | None = None


class PlanChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Code
    headcount: Annotated[int, Field(ge=-10_000, le=10_000)]
    needed_on: Day | None = None


class Revision(Form):
    """Plan against actual, why they differ, and what changes in the plan (headcount more or less)."""

    planned: Annotated[int, Field(ge=0)] | None = None
    actual: Annotated[int, Field(ge=0)] | None = None
    reasons: Annotated[list[ReasonCode], Field(max_length=50)] = []
    changes: Annotated[list[PlanChange], Field(max_length=100)] = []
