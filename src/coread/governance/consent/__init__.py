"""Consent: what each person agreed to, and the one place that says whether a use may go on."""

from coread.governance.consent.of_studies import StudyConsents
from coread.governance.consent.register import Consents
from coread.governance.consent.rules import ConsentRules, SourcedRule, sourced_rules
from coread.governance.consent.standing import permit, standing

__all__ = [
    "ConsentRules",
    "Consents",
    "SourcedRule",
    "StudyConsents",
    "permit",
    "sourced_rules",
    "standing",
]
