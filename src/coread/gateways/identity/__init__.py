"""The gateway of identity: who calls, login pages, accounts, tokens, the way to an identity provider."""

from coread.gateways.identity.guard import caller_of, guard, required
from coread.gateways.identity.identity import Identity
from coread.gateways.identity.options import IdentityOptions, OidcOptions
from coread.gateways.identity.oversight import Oversight

__all__ = ["Identity", "IdentityOptions", "OidcOptions", "Oversight", "caller_of", "guard", "required"]
