"""Login by password and second factor: a page for people, JSON for a page whose session has ended."""

from __future__ import annotations

import hmac

from starlette.responses import JSONResponse, Response

from coread.domain.person import Person
from coread.errors import AccessFault, CoReadError, LoginFailed, LoginRequired
from coread.gateways.answers import fault_body
from coread.gateways.identity.answering import status, told
from coread.gateways.identity.cookies import Cookie
from coread.gateways.identity.reception import NO_STORE, Reception, see_other, session_of
from coread.gateways.identity.sources import forged
from coread.gateways.pages import local_path, render
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.routes import Access, Address, Form
from coread.governance import HALF, Session, derived


class LoginPages:
    """Answers at ``/login``, ``/logout`` and the interface beside it."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def table(self) -> tuple[Address, ...]:
        """List the addresses with what each needs."""
        public, data = Access.PUBLIC, Form.DATA
        return (
            Address("GET", "/login", public, self.show),
            Address("POST", "/login", public, self.by_password),
            Address("GET", "/login/totp", public, self.show_code),
            Address("POST", "/login/totp", public, self.by_code),
            Address("GET", "/login/done", public, self.done),
            Address("POST", "/logout", public, self.leave),
            Address("POST", "/api/v1/login", public, self.in_place, data),
            Address("GET", "/api/v1/session", Access.SIGNED_IN, self.who, data),
            Address("POST", "/api/v1/reauthenticate", Access.SIGNED_IN, self.again, data),
        )

    def show(self, asked: Asked) -> Response:
        """Show the form, or go on where somebody is logged in."""
        session = getattr(asked.request.state, "session", None)
        if isinstance(session, Session):
            return see_other(self._reception.onward(session, asked.query("next")))
        return self.page(asked, asked.query("next"))

    def page(self, asked: Asked, wanted: str, error: CoReadError | None = None, login: str = "") -> Response:
        """Make the page, with the fault that led back to it."""
        options, visit = self._reception.options, self._reception.visit(asked.request)
        context = {
            "csrf": derived(visit, "login"),
            "next": local_path(wanted, "/"),
            "login": login,
            "has_local_login": options.has_local_login,
            "oidc_label": options.oidc and (options.oidc.label or options.oidc.issuer.partition("://")[2]),
            **told(asked, error),
        }
        response = render(asked.request, "login.html", context, **status(error))
        self._reception.cookies.set(asked.request, response, Cookie.VISIT, visit)
        return response

    def by_password(self, asked: Asked) -> Response:
        """Take login and password."""
        form = asked.form()
        login, wanted = form.get("login", ""), form.get("next", "")
        try:
            self._check_visit(asked, form.get("csrf", ""))
            person = self._verified(asked, login, form.get("password", ""))
        except AccessFault as error:
            return self.page(asked, wanted, error, login)
        if self._reception.people.has_totp(person.id):
            return self._to_code(asked, person, wanted)
        return self._enter(asked, person, "password", wanted)

    def show_code(self, asked: Asked) -> Response:
        """Ask for the second factor."""
        return self._code_page(asked, asked.query("next"))

    def by_code(self, asked: Asked) -> Response:
        """Take the second factor."""
        form = asked.form()
        half = self._reception.cookies.get(asked.request, Cookie.HALF)
        person = self._reception.sessions.find_half(half, self._reception.clock())
        if person is None:
            return self.page(asked, form.get("next", ""), _too_late())
        try:
            _check_token(form.get("csrf", ""), derived(half, "csrf"))
            self._verify_code(asked, person, form.get("code", ""))
        except AccessFault as error:
            return self._code_page(asked, form.get("next", ""), error)
        return self._enter(asked, person, "password+totp", form.get("next", ""))

    def done(self, asked: Asked) -> Response:
        """Tell that a login in a window of its own is done."""
        return render(asked.request, "login_done.html")

    def leave(self, asked: Asked) -> Response:
        """Log out."""
        token = self._reception.cookies.get(asked.request, Cookie.SESSION)
        self._reception.sessions.close(token, self._reception.clock(), self._reception.source(asked.request))
        response = see_other("/login")
        self._reception.cookies.drop(asked.request, response, *Cookie)
        return response

    def in_place(self, asked: Asked) -> Response:
        """Log in without leaving the page: nothing that was typed there is lost."""
        words = asked.json()
        login, password, code = (str(words.get(name) or "") for name in ("login", "password", "totp"))
        person = self._verified(asked, login, password)
        has_totp = self._reception.people.has_totp(person.id)
        if has_totp and not code:
            return _code_wanted()
        if has_totp:
            self._verify_code(asked, person, code)
        method = "password+totp" if has_totp else "password"
        return self._reception.enter(asked.request, person, method, _facts)

    def who(self, asked: Asked) -> Response:
        """Tell who is logged in, and the token that changes must bring."""
        return _facts(session_of(asked.request))

    def again(self, asked: Asked) -> Response:
        """Have the person show again who it is."""
        words = asked.json()
        self._reception.prove(asked.request, str(words.get("password") or ""), str(words.get("totp") or ""))
        return JSONResponse({"proven": True}, headers=NO_STORE)

    def _enter(self, asked: Asked, person: Person, method: str, wanted: str) -> Response:
        return self._reception.enter(
            asked.request, person, method, lambda session: see_other(self._reception.onward(session, wanted))
        )

    def _verified(self, asked: Asked, login: str, password: str) -> Person:
        if not self._reception.options.has_local_login:
            raise LoginFailed("a password where none is taken", "a login at the identity provider")
        with self._reception.attempt(asked.request) as source:
            return self._reception.people.verify_password(login, password, self._reception.clock(), source)

    def _verify_code(self, asked: Asked, person: Person, code: str) -> None:
        with self._reception.attempt(asked.request) as source:
            self._reception.people.verify_totp(person.id, code, self._reception.clock(), source)

    def _to_code(self, asked: Asked, person: Person, wanted: str) -> Response:
        half, _ = self._reception.sessions.open(person, self._reception.clock(), method=HALF)
        response = see_other("/login/totp")
        self._reception.cookies.set(asked.request, response, Cookie.HALF, half)
        address = asked.request.url.replace(scheme="", netloc="", path="/login/totp", query="")
        response.headers["Location"] = str(address.include_query_params(next=local_path(wanted, "/")))
        return response

    def _code_page(self, asked: Asked, wanted: str, error: CoReadError | None = None) -> Response:
        half = self._reception.cookies.get(asked.request, Cookie.HALF)
        if self._reception.sessions.find_half(half, self._reception.clock()) is None:
            return see_other("/login")
        context = {"csrf": derived(half, "csrf"), "next": local_path(wanted, "/"), **told(asked, error)}
        return render(asked.request, "login_code.html", context, **status(error))

    def _check_visit(self, asked: Asked, token: str) -> None:
        visit = self._reception.cookies.get(asked.request, Cookie.VISIT)
        _check_token(token, derived(visit, "login") if visit else "")


def _check_token(token: str, expected: str) -> None:
    if not expected or not hmac.compare_digest(token.encode(), expected.encode()):
        raise forged("a form without the token of its page")


def _facts(session: Session) -> Response:
    """Tell a page's script who is logged in; it loads the page anew if that is somebody else than before."""
    person = session.person
    body = {
        "person": {"id": person.id, "login": person.login, "display_name": person.display_name},
        "permissions": sorted(session.caller.permissions),
        "must_change_password": session.must_change_password,
        "csrf": session.csrf,
    }
    return JSONResponse(body, headers=NO_STORE)


def _code_wanted() -> Response:
    error = LoginFailed("a password without the code that belongs to it", "both", "type the code too")
    return JSONResponse(fault_body(error) | {"needs": "totp"}, 401, NO_STORE)


def _too_late() -> CoReadError:
    return LoginRequired("a code that came too late", "one within five minutes of the password", "begin anew")
