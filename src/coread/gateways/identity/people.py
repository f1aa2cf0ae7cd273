"""The administrator's pages: who there is, in which roles, with which tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import Response

from coread.domain.person import Permission, Person, Role
from coread.errors import AccessFault, CoReadError
from coread.gateways.identity.answering import in_order, status, told
from coread.gateways.identity.reception import Reception, see_other, session_of
from coread.gateways.pages import render
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.routes import Address
from coread.governance import MATRIX, generate_password

_KEEP = Permission.KEEP_PEOPLE


class PeoplePages:
    """Answers at ``/people``."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def table(self) -> tuple[Address, ...]:
        """List the addresses with what each needs."""
        one = "/people/{person_id}"
        return (
            Address("GET", "/people", _KEEP, self.list),
            Address("POST", "/people", _KEEP, self.add),
            Address("GET", one, _KEEP, self.show),
            Address("POST", f"{one}/name", _KEEP, self.rename),
            Address("POST", f"{one}/roles", _KEEP, self.change_roles),
            Address("POST", f"{one}/deactivate", _KEEP, self.deactivate),
            Address("POST", f"{one}/reactivate", _KEEP, self.reactivate),
            Address("POST", f"{one}/reset-password", _KEEP, self.reset_password),
            Address("POST", f"{one}/remove-totp", _KEEP, self.remove_totp),
            Address("POST", f"{one}/tokens/{{token_id}}/revoke", _KEEP, self.revoke),
        )

    def list(self, asked: Asked) -> Response:
        """Show everybody, and the form for one more."""
        return self._list(asked)

    def add(self, asked: Asked) -> Response:
        """Make an account; its first password is shown once."""
        form, reception = asked.form(), self._reception
        password = generate_password() if "has_password" in form else ""
        try:
            reception.prove_unless_fresh(asked.request, form)
            person = reception.people.add(
                form.get("login", ""), form.get("display_name", ""), _roles(form), password,
                by=self._actor(asked), at=reception.clock(),
            )  # fmt: skip
        except AccessFault as error:
            return self._list(asked, error, form)
        return self._shown_once(asked, person, password) if password else see_other(f"/people/{person.id}")

    def show(self, asked: Asked) -> Response:
        """Show one person."""
        return self._one(asked)

    def rename(self, asked: Asked) -> Response:
        """Give another name."""
        people, form = self._reception.people, asked.form()
        return self._change(asked, people.rename, form.get("display_name", ""))

    def change_roles(self, asked: Asked) -> Response:
        """Give other roles."""
        return self._change(asked, self._reception.people.change_roles, _roles(asked.form()))

    def deactivate(self, asked: Asked) -> Response:
        """End the access."""
        return self._change(asked, self._reception.people.deactivate)

    def reactivate(self, asked: Asked) -> Response:
        """Give access again."""
        return self._change(asked, self._reception.people.reactivate)

    def remove_totp(self, asked: Asked) -> Response:
        """Take the second factor away: its device is lost."""
        return self._change(asked, self._reception.people.remove_totp)

    def reset_password(self, asked: Asked) -> Response:
        """Set a password that is only good for choosing one's own; it is shown once."""
        password, reception = generate_password(), self._reception
        try:
            reception.prove_unless_fresh(asked.request, asked.form())
            id = asked.part("person_id")
            reception.people.set_password(id, password, by=self._actor(asked), at=reception.clock())
        except AccessFault as error:
            return self._one(asked, error)
        return self._shown_once(asked, reception.people.get(id), password)

    def revoke(self, asked: Asked) -> Response:
        """End a token."""
        id = asked.part("token_id")
        self._reception.tokens.revoke(id, by=self._actor(asked), at=self._reception.clock())
        return see_other(f"/people/{asked.part('person_id')}")

    def _change(self, asked: Asked, change: Callable[..., object], *values: object) -> Response:
        try:
            self._reception.prove_unless_fresh(asked.request, asked.form())
            change(asked.part("person_id"), *values, by=self._actor(asked), at=self._reception.clock())
        except AccessFault as error:
            return self._one(asked, error)
        return see_other(f"/people/{asked.part('person_id')}?done=1")

    def _list(
        self, asked: Asked, error: CoReadError | None = None, form: Mapping[str, str] | None = None
    ) -> Response:
        context = {
            "people": self._reception.people.list(),
            "roles": [*Role],
            "permissions": {role: in_order(MATRIX[role]) for role in Role},
            "form": form or {"has_password": "on"},
            "chosen_in_form": _roles(form or {}),
            **self._reception.proof_context(asked.request, "/people"),
            **told(asked, error),
        }
        return render(asked.request, "people.html", context, **status(error))

    def _one(self, asked: Asked, error: CoReadError | None = None) -> Response:
        id = asked.part("person_id")
        context = {
            "account": self._reception.people.account(id),
            "tokens": self._reception.tokens.list(id),
            "now": self._reception.clock(),
            "roles": [*Role],
            "permissions": {role: in_order(MATRIX[role]) for role in Role},
            "done": asked.query("done") if error is None else "",
            **self._reception.proof_context(asked.request, f"/people/{id}"),
            **told(asked, error),
        }
        return render(asked.request, "person.html", context, **status(error))

    def _shown_once(self, asked: Asked, person: Person, password: str) -> Response:
        context = {"secret": password, "what": "password", "owner": person, "way_on": f"/people/{person.id}"}
        return render(asked.request, "secret.html", context)

    def _actor(self, asked: Asked) -> str:
        return session_of(asked.request).person.actor


def _roles(form: Mapping[str, str]) -> frozenset[Role]:
    return frozenset(role for role in Role if f"role-{role}" in form)
