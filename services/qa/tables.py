"""Where does qa keep what it knows?"""

from sqlalchemy import MetaData

from shared.mailbox import mailbox_tables
from shared.people import people_tables

metadata = MetaData(schema="qa")

mailbox_tables(metadata)
employees, employee_logins, agent_holders = people_tables(metadata)
