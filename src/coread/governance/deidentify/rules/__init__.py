"""What the standard and the law want: tables and profiles as data, checked when loaded."""

from coread.governance.deidentify.rules.profile import Dates, Pixels, Profile, load_profile, profile_names
from coread.governance.deidentify.rules.safe_private import safe_private
from coread.governance.deidentify.rules.table import Action, Option, actions_for, annex_e

__all__ = [
    "Action",
    "Dates",
    "Option",
    "Pixels",
    "Profile",
    "actions_for",
    "annex_e",
    "load_profile",
    "profile_names",
    "safe_private",
]
