"""Acts under watch: studies that few may open, opening them nevertheless, and acts that need two persons."""

from coread.governance.oversight.approvals import APPROVABLE, Approval, Approvals
from coread.governance.oversight.emergencies import Emergencies, Opening
from coread.governance.oversight.restrictions import Restriction, Restrictions

__all__ = [
    "APPROVABLE",
    "Approval",
    "Approvals",
    "Emergencies",
    "Opening",
    "Restriction",
    "Restrictions",
]
