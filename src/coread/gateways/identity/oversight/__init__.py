"""Acts under watch as the web shows them: the gate before restricted studies, and the officer's pages."""

from coread.gateways.identity.oversight.gate import StudyGate
from coread.gateways.identity.oversight.keepers import Oversight
from coread.gateways.identity.oversight.pages import OversightPages

__all__ = ["Oversight", "OversightPages", "StudyGate"]
