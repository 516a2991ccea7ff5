"""Where does recruiting keep what it knows?"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.direct import text
from shared.mailbox import mailbox_tables
from shared.reads import reads_table
from shared.weightings import weightings_table

metadata = MetaData(schema="recruiting")

mailbox_tables(metadata)
reads_table(metadata)
weightings_table(metadata)

employees = Table(
    "employees",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("agent_id", Text),
    Column("name", Text),
    Column("department", Text),
    Column("role", Text, nullable=False),
    Column("team", Text),
    Column("team_lead_id", Uuid),
    Column("mentor_id", Uuid),
    Column("since", Date, nullable=False),
    Column("holds_from", Date, nullable=False),
    Column("left_on", Date),
    Column("version", Integer, nullable=False),
    Index("employees_by_agent", "agent_id", "id"),
    Index("employees_by_team", "team", "id"),
    Index("employees_by_role", "role", "id"),
    Index("employees_by_lead", "team_lead_id", "id"),
    Index("employees_one_login", "agent_id", unique=True, postgresql_where=text("left_on IS NULL")),
)

employee_history = Table(
    "employee_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("employee_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB, nullable=False),
    Index("employee_history_by_employee", "employee_id", "id"),
    Index(
        "employee_history_by_login",
        text("(before ->> 'agent_id')"),
        postgresql_where=text("before ->> 'agent_id' IS NOT NULL"),
    ),
)
"""Only ever added to."""

# The pipeline. Two rows carry a state: a requisition walks the steps 1-4, 21 and 22, an application 5-20. `done` holds
# the steps behind it, `step` the lowest one open, `status` where it is (domain/steps.py: STATUSES). An employment is
# what an application turns into when the offer is accepted; it has particulars of its own, and its state is the status
# of the application.
#
# What happened is in `step_history` and nowhere else, only ever added to, with nothing in it that identifies a
# candidate. `move` says how a step was touched:
#     entered  the step opened                                (no outcome)
#     stayed   an outcome was recorded and the step stays open
#     left     an outcome closed the step
#     closed   the step closed because the record ended or was put on hold elsewhere (outcome: what ended it)
#     noted    an outcome was recorded on a step that was not open: a hold, or, with no step at all, `filled`,
#              `withdrawn`, `left` and whatever else concerns the record as a whole
# The same rows of stayed, left and noted, walked through domain/walk.py, give the state again. `actor` is the sub of
# who acted, or the name of the service; `side` is call_centre, hr, admin or system; `cause` the event that led to it.
#
# `open_steps` has the steps open now with the day they are due; it is derived from the history, to be asked cheaply.
# Steps of applications stay in it while their requisition is on hold: join `requisitions.status`.
#
# What identifies a candidate is in `candidates`, `candidate_keys`, `applications.given`, `applications.resume_ref`,
# `hand_ins.fields` of their applications (comments, places) and, once employed, `employees.name`.

channels = Table(
    "channels",
    metadata,
    Column("key", Text, primary_key=True),
    Column("name_en", Text, nullable=False),
    Column("name_zh", Text, nullable=False),
)
"""Where candidates come from."""

job_profiles = Table(
    "job_profiles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("competencies", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("weighed_by", JSONB(none_as_null=True)),
    Index("job_profiles_by_key", "key", "version", unique=True),
)
"""Versions of a job description with its competency profile: [{competency, weight, least, trainability}]. Never
changed; a requisition pins one. `weighed_by`: the weighting, {code, version}, that the weights are of."""

requisitions = Table(
    "requisitions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("department", Text),
    Column("role", Text, nullable=False),
    Column("headcount", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("replaces", Uuid),
    Column("needed_on", Date, nullable=False),
    Column("pay_band", Text),
    Column("authors", ARRAY(Text), nullable=False),
    Column("profile_id", Uuid),
    Column("status", Text, nullable=False),
    Column("done", ARRAY(SmallInteger), nullable=False),
    Column("step", SmallInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    Index("requisitions_by_status", "status", "id"),
    Index("requisitions_by_role", "role", "id"),
)
"""`reason` is growth or replacement, `replaces` the employee who left; `authors` the subs of who wrote the plan."""

postings = Table(
    "postings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("requisition_id", Uuid, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("closes_on", Date),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Index("postings_by_requisition", "requisition_id", "id"),
)
"""`closes_on` is the last day on which applications are taken; null for no end."""

requisition_channels = Table(
    "requisition_channels",
    metadata,
    Column("requisition_id", Uuid, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("cost", Numeric(12, 2), nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
)
"""Through which channels a requisition is filled and what each costs in all, in the centre's currency."""

candidates = Table(
    "candidates",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text),
    Column("phone", Text),
    Column("email", Text),
    Column("employee_id", Uuid),
    Column("consent_until", Date, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("erased_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    Index("candidates_by_employee", "employee_id"),
    Index("candidates_by_consent", "consent_until", postgresql_where=text("erased_at IS NULL")),
)
"""A person who applies. `employee_id` for somebody who works here already. The data may be kept up to and on the day
`consent_until`."""

candidate_keys = Table(
    "candidate_keys",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("candidate_id", Uuid, nullable=False),
    Index("candidate_keys_by_candidate", "candidate_id"),
)
"""By what a candidate is known again: digests of the normalised identity number, phone number and e-mail address, and
of the employee id. The identity number itself is not kept."""

applications = Table(
    "applications",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("requisition_id", Uuid, nullable=False),
    Column("candidate_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("resume_ref", Text),
    Column("given", JSONB(none_as_null=True)),
    Column("internal", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("done", ARRAY(SmallInteger), nullable=False),
    Column("step", SmallInteger),
    Column("reason", Text),
    Column("score", Numeric(7, 4)),
    Column("medical", Text),
    Column("proposed_at", DateTime(timezone=True)),
    Column("applied_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    Column(
        "listed",
        Boolean,
        Computed("11 = ANY (done) AND status NOT IN ('rejected', 'withdrawn', 'declined')", persisted=True),
    ),
    Index("applications_by_candidate", "candidate_id", "id"),
    Index("applications_by_status", "status", "id"),
    Index("applications_by_step", "step", "id"),
    Index("applications_by_status_step", "status", "step", "id"),
    Index("applications_by_requisition", "requisition_id", "id"),
    Index("applications_by_requisition_status", "requisition_id", "status", "id"),
    Index("applications_by_requisition_step", "requisition_id", "step", "id"),
    Index("applications_by_requisition_status_step", "requisition_id", "status", "step", "id"),
    Index("applications_listed", "requisition_id", postgresql_where=text("listed")),
)
"""One candidate for one requisition. `given`: what they said this time where it differs from what is known of them.
`reason`: the code that came with the last decision. `score`: weighted over the profile, null until every competency is
scored. `medical`: fit, unfit or deferred. `proposed_at`: when this candidate of the reserve list was proposed for a
place that became free. `listed`: has a place on the hiring list."""

employments = Table(
    "employments",
    metadata,
    Column("application_id", Uuid, primary_key=True),
    Column("requisition_id", Uuid, nullable=False),
    Column("employee_id", Uuid),
    Column("internal", Boolean, nullable=False),
    Column("role", Text, nullable=False),
    Column("department", Text),
    Column("team", Text),
    Column("team_lead_id", Uuid),
    Column("mentor_id", Uuid),
    Column("starts_on", Date),
    Column("probation_ends_on", Date),
    Column("extended", Boolean, nullable=False),
    Column("grade", Text),
    Column("pay_band", Text),
    Column("ended_on", Date),
    Column("began_at", DateTime(timezone=True), nullable=False),
    Index("employments_by_employee", "employee_id"),
    Index("employments_by_probation_end", "probation_ends_on"),
)
"""What an accepted offer begins. `employee_id` is known from step 14 on (before, for somebody who works here already);
`ended_on` is the first day no longer here."""

interviews = Table(
    "interviews",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("application_id", Uuid, nullable=False),
    Column("round", Integer, nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Column("place", Text, nullable=False),
    Column("papers", ARRAY(Text), nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Index("interviews_once", "application_id", "round", unique=True),
    Index("interviews_by_time", "starts_at"),
)
"""Rounds; `papers` out of interview, written_test, aptitude_test; `status` scheduled, held or no_show."""

interview_changes = Table(
    "interview_changes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("interview_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("before", JSONB, nullable=False),
    Column("after", JSONB, nullable=False),
    Index("interview_changes_by_interview", "interview_id", "id"),
)
"""Only ever added to."""

score_sheets = Table(
    "score_sheets",
    metadata,
    Column("interview_id", Uuid, primary_key=True),
    Column("member", Text, primary_key=True),
    Column("application_id", Uuid, nullable=False),
    Column("scores", JSONB, nullable=False),
    Column("papers", JSONB, nullable=False),
    Column("handed_in_at", DateTime(timezone=True)),
    Index("score_sheets_by_application", "application_id"),
    Index("score_sheets_by_member", "member"),
)
"""One row for each member of the panel, from the scheduling on. `scores` by competency and `papers` by paper, 0-100.
`member` is the sub of the interviewer."""

documents = Table(
    "documents",
    metadata,
    Column("application_id", Uuid, primary_key=True),
    Column("document", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
"""identity, education, employment: requested, received, verified or mismatch."""

offers = Table(
    "offers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("application_id", Uuid, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("expires_on", Date, nullable=False),
    Column("status", Text, nullable=False),
    Column("decided_at", DateTime(timezone=True)),
    Index("offers_open", "application_id", unique=True, postgresql_where=text("status = 'open'")),
    Index("offers_by_expiry", "expires_on", postgresql_where=text("status = 'open'")),
    Index("offers_by_application", "application_id", "id"),
)
"""`status`: open, accepted, declined, expired or void. `expires_on` is the last day on which it can be accepted."""

contracts = Table(
    "contracts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("application_id", Uuid, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("candidate_id", Uuid, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date),
    Column("probation_ends_on", Date),
    Column("pay", Numeric(12, 2)),
    Column("probation_pay", Numeric(12, 2)),
    Column("rules", Text, nullable=False),
    Column("signed_at", DateTime(timezone=True), nullable=False),
    Index("contracts_by_application", "application_id", "id"),
    Index("contracts_by_candidate", "candidate_id"),
    Index("contracts_by_employee", "employee_id"),
)
"""Both ends are last days; no end is open-ended. `rules` is the rule set that it was checked with."""

reports = Table(
    "reports",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("application_id", Uuid),
    Column("outcome", Text, nullable=False),
    Column("score", Numeric(7, 2)),
    Column("applied_at", DateTime(timezone=True)),
    Index("reports_waiting", "employee_id", postgresql_where=text("applied_at IS NULL")),
    Index("reports_waiting_application", "application_id", postgresql_where=text("applied_at IS NULL")),
)
"""What training and performance said of somebody; kept until the step it concerns has its turn."""

hand_ins = Table(
    "hand_ins",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("requisition_id", Uuid, nullable=False),
    Column("application_id", Uuid),
    Column("step", SmallInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("fields", JSONB, nullable=False),
    Index("hand_ins_by_application", "application_id", "id"),
    Index("hand_ins_by_requisition", "requisition_id", "id"),
)
"""What was handed in with a step, as it came: the notice, the arrangement, the plan revised. Only ever added to."""

list_proposals = Table(
    "list_proposals",
    metadata,
    Column("requisition_id", Uuid, primary_key=True),
    Column("step", SmallInteger, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("actor", Text, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
)
"""Decisions of somebody who may not decide alone, until somebody else hands in the same."""

step_history = Table(
    "step_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("record", Text, nullable=False),
    Column("requisition_id", Uuid, nullable=False),
    Column("application_id", Uuid),
    Column("step", SmallInteger),
    Column("move", Text, nullable=False),
    Column("outcome", Text),
    Column("reason", Text),
    Column("status", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("cause", Text),
    Index("step_history_by_application", "application_id", "id"),
    Index("step_history_by_requisition", "requisition_id", "id"),
    Index("step_history_of_requisition", "requisition_id", "id", postgresql_where=text("application_id IS NULL")),
)
"""Everything that happened to a requisition (`application_id` null), an application or an employment (`record`).
`status` is that of the record afterwards."""

open_steps = Table(
    "open_steps",
    metadata,
    Column("record_id", Uuid, primary_key=True),
    Column("step", SmallInteger, primary_key=True),
    Column("record", Text, nullable=False),
    Column("requisition_id", Uuid, nullable=False),
    Column("application_id", Uuid),
    Column("owner", Text, nullable=False),
    Column("entered_at", DateTime(timezone=True), nullable=False),
    Column("due_on", Date, nullable=False),
    Column("reminded_at", DateTime(timezone=True)),
    Index("open_steps_by_due", "due_on", "record_id", "step"),
)
"""`record_id` is the id of the requisition, else of the application. `due_on` is the last day allowed."""

target_shares = Table(
    "target_shares",
    metadata,
    Column("department", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("of", Text, nullable=False),
    Column("share", Numeric(5, 4), nullable=False),
)
"""How staff shall be spread: `of` the department or of all_staff. The role is '' where a whole department is meant."""

hire_audits = Table(
    "hire_audits",
    metadata,
    Column("audit_id", Uuid, primary_key=True),
    Column("employee_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("passed", Boolean),
    Column("submitted_at", DateTime(timezone=True)),
    Index("hire_audits_by_employee", "employee_id", "submitted_at"),
)
"""What QA found, by its events: `passed` is null where the audit counts for nothing any more, `submitted_at` until the
audit itself is known."""

probation_reminders = Table(
    "probation_reminders",
    metadata,
    Column("application_id", Uuid, primary_key=True),
    Column("ends_on", Date, primary_key=True),
    Column("days", SmallInteger, primary_key=True),
    Column("reminded_at", DateTime(timezone=True), nullable=False),
)
"""That the end of a probation was so many days away has been said."""
