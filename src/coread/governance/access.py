"""The access matrix, and who is calling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from coread.domain.person import Permission, Person, Role
from coread.errors import AccessDenied, LoginRequired

#: What each role may do, and no more: nobody who keeps people or systems sees a patient by that alone.
MATRIX: dict[Role, frozenset[Permission]] = {
    Role.DOCTOR: frozenset(
        {Permission.SEE_WORKLIST, Permission.SEE_IMAGES, Permission.DECIDE, Permission.SIGN}
    ),
    Role.ENGINEER: frozenset(
        {Permission.STORE_IMAGES, Permission.SEE_SYSTEM, Permission.RUN_SYSTEM, Permission.SEE_SETTINGS}
    ),
    Role.QUALITY: frozenset(
        {
            Permission.SEE_QUALITY,
            Permission.OVERSEE,
            Permission.REVIEW_EXPORTS,
            Permission.KEEP_CONSENTS,
        }
    ),
    Role.AUDITOR: frozenset({Permission.SEE_LEDGER}),
    Role.ADMINISTRATOR: frozenset(
        {Permission.KEEP_PEOPLE, Permission.SEE_SETTINGS, Permission.KEEP_CONSENTS}
    ),
}


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """Return what somebody of these roles may do.

    Examples
    --------
    >>> sorted(permissions_of([Role.AUDITOR, Role.QUALITY]))
    [<Permission.SEE_LEDGER: 'ledger:see'>, <Permission.SEE_QUALITY: 'quality:see'>]
    """
    return frozenset().union(*(MATRIX[role] for role in roles))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, and what it may ask for."""

    person: Person | None = None
    permissions: frozenset[Permission] = frozenset()
    kind: Literal["session", "token", "none"] = "none"
    session_id: str = ""
    """Of a session or a token; a hash or a name, safe to log."""
    csrf: str = ""
    """What a page of this session must send with each change."""
    must_change_password: bool = False
    """Logged in with a password that somebody else set: no permission until it is changed."""

    def may(self, permission: Permission) -> bool:
        """Tell whether the caller may do this."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Let a caller pass who may do this.

        Raises
        ------
        LoginRequired
            If nobody is logged in.
        AccessDenied
            If the caller may not.
        """
        if self.person is None:
            raise LoginRequired(
                "nobody logged in, or a session or token that has ended",
                "a session or a valid token",
                "log in; what is typed is kept",
            )
        if not self.may(permission):
            raise AccessDenied(
                f"a caller without the permission {permission}",
                "a role that has it",
                "ask the administrator if your work needs it",
            )

    @property
    def actor(self) -> str:
        """How the ledger names the caller."""
        if self.kind == "token":
            return f"token:{self.session_id}"
        return self.person.actor if self.person else "anonymous"


ANONYMOUS = Caller()
