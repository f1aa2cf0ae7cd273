"""Before any page or service: finds out who calls, and stops what no page of ours has sent."""

from __future__ import annotations

import hmac
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coread.errors import CoReadError, ForgedRequest, ObjectTooLarge
from coread.gateways.identity.cookies import Cookie
from coread.gateways.identity.guard import denied
from coread.gateways.identity.reception import Reception
from coread.gateways.identity.sources import check_origin, forged
from coread.governance import ANONYMOUS, Caller, Session

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
#: They bring their own token of the visit, or are JSON, which no other site can send unasked.
LOGIN_PATHS = frozenset({"/login", "/login/totp", "/api/v1/login"})

_MAX_FORM_BYTES = 2 << 20
_BEARER = "bearer "


class WhoCalls:
    """Puts the caller into ``scope["state"]``: a browser's session, a program's token, or nobody.

    Parameters
    ----------
    app
        What answers.
    reception
        The keepers.
    """

    def __init__(self, app: ASGIApp, reception: Reception) -> None:
        self._app = app
        self._reception = reception

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.caller, request.state.session = ANONYMOUS, None
        try:
            if not scope["path"].startswith(self._reception.options.open_paths):
                await self._find(request)
            if scope["method"] not in SAFE_METHODS:
                receive = await self._check(request, receive)
        except CoReadError as error:
            await denied(request, error)(scope, receive, send)
            return
        except ClientDisconnect:
            return  # nobody reads an answer
        await self._app(scope, receive, send)

    async def _find(self, request: Request) -> None:
        authorization = request.headers.get("authorization", "")
        token = self._reception.cookies.get(request, Cookie.SESSION)
        if authorization.lower().startswith(_BEARER):
            request.state.caller = await run_in_threadpool(
                self._by_token, authorization[len(_BEARER) :].strip()
            )
        elif token:
            session = await run_in_threadpool(self._by_session, request.url.path, token)
            request.state.session = session
            request.state.caller = session.caller if session else ANONYMOUS

    def _by_token(self, secret: str) -> Caller:
        token = self._reception.tokens.find(secret, self._reception.clock())
        return token.caller if token else ANONYMOUS

    def _by_session(self, path: str, token: str) -> Session | None:
        is_activity = path not in self._reception.options.silent_paths
        return self._reception.sessions.find(token, self._reception.clock(), is_activity=is_activity)

    async def _check(self, request: Request, receive: Receive) -> Receive:
        """Refuse what another site made a browser send; return what gives the body again.

        Raises
        ------
        ForgedRequest
            If the browser says so, or the page's token is missing.
        """
        if request.headers.get("authorization", "").lower().startswith(_BEARER):
            return receive
        check_origin(request, self._reception.options.public_url)
        session = request.state.session
        if session is None or request.url.path in LOGIN_PATHS:
            return receive
        told = request.headers.get("x-csrf-token", "")
        if not told and _is_form(request.headers):
            body = await _body(receive)
            told, receive = _field(body, "csrf"), _again(body, receive)
        if not hmac.compare_digest(told.encode(), session.csrf.encode()):
            raise _no_token()
        return receive


def _is_form(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/x-www-form-urlencoded"


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > _MAX_FORM_BYTES:
            raise ObjectTooLarge("a form beyond the limit", f"at most {_MAX_FORM_BYTES} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read once more, then whatever comes."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _field(body: bytes, name: str) -> str:
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return ""
    return dict(fields).get(name, "")


def _no_token() -> ForgedRequest:
    return forged("a request without the token of the page")
