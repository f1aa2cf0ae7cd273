"""The keeper of permissions: people, roles, sessions and tokens."""

from coread.governance.access import ANONYMOUS, MATRIX, Caller, permissions_of
from coread.governance.accounts import LANGUAGES
from coread.governance.attempts import Patience
from coread.governance.consent import ConsentRules, Consents, StudyConsents
from coread.governance.oversight import (
    APPROVABLE,
    Approval,
    Approvals,
    Emergencies,
    Opening,
    Restriction,
    Restrictions,
)
from coread.governance.passwords import Hasher, PasswordPolicy, generate_password
from coread.governance.people import Claims, People
from coread.governance.rows import Account
from coread.governance.sessions import HALF, Session, SessionLimits, Sessions, derived
from coread.governance.tables import METADATA
from coread.governance.tokens import Token, Tokens
from coread.governance.totp import address as totp_address
from coread.governance.totp import code_at as totp_code_at

__all__ = [
    "ANONYMOUS",
    "APPROVABLE",
    "HALF",
    "LANGUAGES",
    "MATRIX",
    "METADATA",
    "Account",
    "Approval",
    "Approvals",
    "Caller",
    "Claims",
    "ConsentRules",
    "Consents",
    "Emergencies",
    "Hasher",
    "Opening",
    "PasswordPolicy",
    "Patience",
    "People",
    "Restriction",
    "Restrictions",
    "Session",
    "SessionLimits",
    "Sessions",
    "StudyConsents",
    "Token",
    "Tokens",
    "derived",
    "generate_password",
    "permissions_of",
    "totp_address",
    "totp_code_at",
]
