"""Pages of acts under watch: the officer's list, anybody's requests, and the way into a restricted study."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import RedirectResponse, Response

from coread.domain.person import Permission
from coread.errors import AccessDenied, AccessFault, CoReadError, InputFault, StoreFault
from coread.gateways.identity.answering import status, told
from coread.gateways.identity.oversight.keepers import Oversight
from coread.gateways.identity.reception import Reception, see_other, session_of
from coread.gateways.pages import render
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.routes import Access, Address
from coread.governance import APPROVABLE

_LIST = "/oversight"
_OWN = "/approvals"
#: What a form may have wrong; anything else is no affair of the form.
_FAULTS = (AccessFault, InputFault, StoreFault)


class OversightPages:
    """Answers at ``/oversight``, ``/approvals`` and ``/restricted``.

    Parameters
    ----------
    reception
        Who asks, and how somebody shows who it is.
    oversight
        The keepers.
    """

    def __init__(self, reception: Reception, oversight: Oversight) -> None:
        self._reception = reception
        self._oversight = oversight

    def table(self) -> tuple[Address, ...]:
        """List the addresses with what each needs."""
        watch, see, own = Permission.OVERSEE, Permission.SEE_IMAGES, Access.SIGNED_IN
        return (
            Address("GET", _LIST, watch, self.show),
            Address("POST", f"{_LIST}/restrictions", watch, self.restrict),
            Address("POST", f"{_LIST}/restrictions/{{study_uid}}/lift", watch, self.lift),
            Address("POST", f"{_LIST}/openings/{{opening_id}}/review", watch, self.review),
            Address("POST", f"{_LIST}/approvals/{{approval_id}}/decide", watch, self.decide),
            Address("GET", _OWN, own, self.requests),
            Address("POST", _OWN, own, self.ask),
            Address("GET", "/restricted/{study_uid}", see, self.ask_why),
            Address("POST", "/restricted/{study_uid}", see, self.open),
        )

    def show(self, asked: Asked) -> Response:
        """Show what waits for the officer, and what is restricted."""
        return self._list(asked)

    def restrict(self, asked: Asked) -> Response:
        """Restrict a study to some persons, named by their logins."""

        def change() -> None:
            form = asked.form()
            allowed = [self._person_id(login) for login in form.get("allowed", "").split()]
            self._oversight.restrictions.restrict(
                form.get("study", "").strip(), form.get("reason", ""), allowed, **self._who(asked)
            )

        return self._done(asked, change)

    def lift(self, asked: Asked) -> Response:
        """End a restriction."""

        def change() -> None:
            reason = asked.form().get("reason", "")
            self._oversight.restrictions.lift(asked.part("study_uid"), reason, **self._who(asked))

        return self._done(asked, change)

    def review(self, asked: Asked) -> Response:
        """Say whether an opening was justified."""

        def change() -> None:
            form = asked.form()
            is_justified = form.get("verdict") == "justified"
            self._oversight.emergencies.review(
                asked.part("opening_id"), is_justified, form.get("note", ""), **self._who(asked)
            )

        return self._done(asked, change)

    def decide(self, asked: Asked) -> Response:
        """Grant or refuse a request; whoever does shows again who it is."""

        def change() -> None:
            form = asked.form()
            self._reception.prove_unless_fresh(asked.request, form)
            self._oversight.approvals.decide(
                asked.part("approval_id"),
                form.get("verdict") == "granted",
                session_of(asked.request).person,
                self._reception.clock(),
            )

        return self._done(asked, change)

    def requests(self, asked: Asked) -> Response:
        """Show one's own requests, and the form for another."""
        return self._own(asked)

    def ask(self, asked: Asked) -> Response:
        """Ask for an act that needs two persons."""
        form, person = asked.form(), session_of(asked.request).person
        try:
            self._oversight.approvals.ask(
                form.get("kind", ""),
                form.get("subject", ""),
                form.get("reason", ""),
                person,
                self._reception.clock(),
            )
        except _FAULTS as error:
            return self._own(asked, error)
        return see_other(_OWN)

    def ask_why(self, asked: Asked) -> Response:
        """Say that a study is restricted, and ask for a reason; on to the study where it is open."""
        uid = asked.uid("study_uid")
        if uid not in self._hidden(asked):
            return RedirectResponse(f"/studies/{uid}", 303, {"Cache-Control": "no-store"})
        return self._reason(asked)

    def open(self, asked: Asked) -> Response:
        """Open a restricted study by a reason."""
        session, uid = session_of(asked.request), asked.uid("study_uid")
        if session.must_change_password:
            raise AccessDenied("a password that somebody else set", "one's own", "choose your own first")
        try:
            self._oversight.emergencies.open(
                uid, session.person, asked.form().get("reason", ""), self._reception.clock()
            )
        except AccessFault as error:
            return self._reason(asked, error)
        return see_other(f"/studies/{uid}")

    def _done(self, asked: Asked, change: Callable[[], None]) -> Response:
        try:
            change()
        except _FAULTS as error:
            return self._list(asked, error)
        return see_other(_LIST)

    def _list(self, asked: Asked, error: CoReadError | None = None) -> Response:
        at, keepers = self._reception.clock(), self._oversight
        approvals = keepers.approvals.list()
        context: dict[str, Any] = {
            "due": keepers.emergencies.list(is_reviewed=False),
            "reviewed": keepers.emergencies.list(is_reviewed=True, limit=50),
            "count_due": keepers.emergencies.count_unreviewed(),
            "restrictions": keepers.restrictions.list(),
            "waiting": [a for a in approvals if a.is_waiting(at)],
            "decided": [a for a in approvals if not a.is_waiting(at)],
            "name_of": self._name_of,
            "me": session_of(asked.request).person.id,
            **self._reception.proof_context(asked.request, _LIST),
            **told(asked, error),
        }
        return render(asked.request, "oversight.html", context, **status(error))

    def _own(self, asked: Asked, error: CoReadError | None = None) -> Response:
        own = self._oversight.approvals.list(session_of(asked.request).person.id)
        context = {"requests": own, "kinds": APPROVABLE, "name_of": self._name_of, **told(asked, error)}
        return render(asked.request, "approvals.html", context, **status(error))

    def _reason(self, asked: Asked, error: CoReadError | None = None) -> Response:
        context = {"study_uid": asked.uid("study_uid"), **told(asked, error)}
        return render(asked.request, "restricted.html", context, **status(error))

    def _hidden(self, asked: Asked) -> frozenset[str]:
        person = session_of(asked.request).person
        return self._oversight.restrictions.hidden_from(person.id, self._reception.clock())

    def _who(self, asked: Asked) -> dict[str, Any]:
        return {"by": session_of(asked.request).person.actor, "at": self._reception.clock()}

    def _person_id(self, login: str) -> str:
        person = self._reception.people.find(login)
        if person is None:
            raise AccessDenied("a login of nobody", "logins of people who have an account")
        return person.id

    def _name_of(self, actor: str) -> str:
        id = actor.removeprefix("person:")
        return next((p.display_name for p in self._reception.people.list() if p.id == id), actor)
