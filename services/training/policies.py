"""When something happens elsewhere, what does training do?"""

from shared.delivery import Policies
from shared.people import PEOPLE_POLICIES

POLICIES: Policies = {**PEOPLE_POLICIES}
