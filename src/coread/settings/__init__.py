"""Every setting: name with its unit, default, one sentence.

One TOML file and the environment give the settings; the environment wins. A
variable is ``COREAD_`` and the setting's path, sections joined by ``__``::

    COREAD_DIMSE__PORT=11113
    COREAD_DIMSE__ALLOWED_CALLING_AES='["CT1", "DX1"]'

All faults are told at once, an unknown name among them.
"""

from coread.settings.loading import NOT_SETTINGS, PREFIX, load
from coread.settings.sections import DestinationSettings, Settings, Tls, is_loopback
from coread.settings.table import Setting, describe, markdown

__all__ = [
    "NOT_SETTINGS",
    "PREFIX",
    "DestinationSettings",
    "Setting",
    "Settings",
    "Tls",
    "describe",
    "is_loopback",
    "load",
    "markdown",
]
