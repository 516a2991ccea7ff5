"""In which schema does performance keep its tables, beside its mailbox and its employees?"""

from sqlalchemy import MetaData

from shared.mailbox import mailbox_tables
from shared.people import people_tables
from shared.reads import reads_table
from shared.retention import retention_table
from shared.unmet import unmet_table

metadata = MetaData(schema="performance")

mailbox_tables(metadata)
reads_table(metadata)
employees, employee_logins, agent_holders = people_tables(metadata)
unmet_table(metadata)
retention_table(metadata)
