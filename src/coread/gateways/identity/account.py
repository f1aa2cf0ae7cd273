"""One's own account: language, password, second factor, tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import segno
from starlette.responses import Response

from coread.domain.person import Permission
from coread.errors import AccessDenied, AccessFault, AccountConflict, CoReadError
from coread.gateways.identity.answering import in_order, status, told
from coread.gateways.identity.reception import Reception, see_other, session_of
from coread.gateways.pages import page_of, render
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.languages import LANGUAGE_COOKIE, LANGUAGES
from coread.gateways.pages.routes import Access, Address
from coread.governance import permissions_of, totp_address

_YEAR_S = 365 * 86_400
_MOST_DAYS = 3660


class AccountPages:
    """Answers at ``/account``."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def table(self) -> tuple[Address, ...]:
        """List the addresses with what each needs."""
        own = Access.SIGNED_IN
        return (
            Address("GET", "/account", own, self.show),
            Address("POST", "/account/language", own, self.language),
            Address("POST", "/account/password", own, self.password),
            Address("POST", "/account/totp", own, self.enrol),
            Address("POST", "/account/totp/confirm", own, self.confirm),
            Address("POST", "/account/totp/remove", own, self.remove),
            Address("POST", "/account/tokens", own, self.issue),
            Address("POST", "/account/tokens/{token_id}/revoke", own, self.revoke),
        )

    def show(self, asked: Asked) -> Response:
        """Show the account."""
        return self._page(asked)

    def language(self, asked: Asked) -> Response:
        """Remember the language of the account, and of this browser."""
        language = asked.form().get("language", "")
        self._reception.people.set_language(session_of(asked.request).person.id, language)
        response = see_other("/account?done=language")
        if language in LANGUAGES:
            response.set_cookie(LANGUAGE_COOKIE, language, _YEAR_S, path="/", samesite="lax")
        else:
            response.delete_cookie(LANGUAGE_COOKIE, path="/", samesite="lax")
        return response

    def password(self, asked: Asked) -> Response:
        """Take a new password, with the present one."""

        def change(form: Mapping[str, str]) -> None:
            session, at = session_of(asked.request), self._reception.clock()
            new = form.get("new_password", "")
            if new != form.get("new_password_again", ""):
                raise AccountConflict("two passwords that differ", "the same twice", "type it again")
            with self._reception.attempt(asked.request) as source:
                self._reception.people.verify_password(
                    session.person.login, form.get("password", ""), at, source
                )
            self._reception.people.set_password(
                session.person.id, new, by=session.person.actor, at=at, keep_session=session.id
            )

        return self._done(asked, "password", change)

    def enrol(self, asked: Asked) -> Response:
        """Make a secret and show it, as a code to scan and as letters."""
        try:
            self._reception.prove_unless_fresh(asked.request, asked.form())
            person = session_of(asked.request).person
            secret = self._reception.people.enrol_totp(person.id)
        except AccessFault as error:
            return self._page(asked, error)
        return self._enrolment(asked, secret)

    def confirm(self, asked: Asked) -> Response:
        """Put the second factor to use, with a code that the app shows."""
        people, person = self._reception.people, session_of(asked.request).person
        try:
            with self._reception.attempt(asked.request):
                people.confirm_totp(person.id, asked.form().get("code", ""), at=self._reception.clock())
        except AccessFault as error:
            secret = people.pending_totp(person.id)
            return self._enrolment(asked, secret, error) if secret else self._page(asked, error)
        return see_other("/account?done=totp")

    def remove(self, asked: Asked) -> Response:
        """Go back to the password alone, with password and code."""

        def change(form: Mapping[str, str]) -> None:
            person = session_of(asked.request).person
            self._reception.prove(asked.request, form.get("proof_password", ""), form.get("proof_code", ""))
            self._reception.people.remove_totp(person.id, by=person.actor, at=self._reception.clock())

        return self._done(asked, "totp-removed", change)

    def issue(self, asked: Asked) -> Response:
        """Make a token and show its secret, once."""
        session, form = session_of(asked.request), asked.form()
        chosen = frozenset(permission for permission in Permission if f"scope-{permission}" in form)
        at, person = self._reception.clock(), session.person
        try:
            self._reception.prove_unless_fresh(asked.request, form)
            expires_at = at + timedelta(days=_days(form.get("days", "")))
            secret = self._reception.tokens.issue(
                form.get("name", ""), person.id, chosen, at, expires_at, by=person.actor
            )
        except AccessFault as error:
            return self._page(asked, error)
        return render(asked.request, "secret.html", {"secret": secret, "what": "token", "way_on": "/account"})

    def revoke(self, asked: Asked) -> Response:
        """End one's own token."""
        person, id = session_of(asked.request).person, asked.part("token_id")
        if self._reception.tokens.get(id).person.id != person.id:
            raise AccessDenied("a token of somebody else", "one's own")
        self._reception.tokens.revoke(id, by=person.actor, at=self._reception.clock())
        return see_other("/account?done=revoked")

    def _done(self, asked: Asked, what: str, change: Callable[[Mapping[str, str]], None]) -> Response:
        try:
            change(asked.form())
        except AccessFault as error:
            return self._page(asked, error)
        return see_other(f"/account?done={what}")

    def _page(self, asked: Asked, error: CoReadError | None = None) -> Response:
        session = session_of(asked.request)
        at = self._reception.clock()
        tokens = self._reception.tokens.list(session.person.id)
        context = {
            "account": self._reception.people.account(session.person.id),
            "must_change": session.must_change_password,
            "tokens": [token for token in tokens if token.is_good(at)],
            "scopes": in_order(permissions_of(session.person.roles)),
            "done": asked.query("done") if error is None else "",
            "languages": LANGUAGES,
            "way_home": page_of(session.caller.permissions),
            **self._reception.proof_context(asked.request, "/account"),
            **told(asked, error),
        }
        return render(asked.request, "account.html", context, **status(error))

    def _enrolment(self, asked: Asked, secret: str, error: CoReadError | None = None) -> Response:
        picture = segno.make(totp_address(secret, session_of(asked.request).person.login), error="m")
        uri = picture.svg_data_uri(scale=5, border=4, light="#fff")
        context = {"secret": secret, "picture": uri, **told(asked, error)}
        return render(asked.request, "totp.html", context, **status(error))


def _days(text: str) -> int:
    return min(int(text), _MOST_DAYS) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
