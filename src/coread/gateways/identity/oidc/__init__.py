"""Login at an OpenID Connect provider."""

from coread.gateways.identity.oidc.provider import Attempt, Provider
from coread.gateways.identity.oidc.sign_on import SignOn, claimed

__all__ = ["Attempt", "Provider", "SignOn", "claimed"]
