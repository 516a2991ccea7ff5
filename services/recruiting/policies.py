"""When something happens elsewhere, what does recruiting do?"""

from shared.delivery import Policies

POLICIES: Policies = {}
