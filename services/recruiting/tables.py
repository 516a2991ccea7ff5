"""Where does recruiting keep what it knows?"""

from sqlalchemy import MetaData

from shared.mailbox import mailbox_tables


metadata = MetaData(schema="recruiting")

mailbox_tables(metadata)

