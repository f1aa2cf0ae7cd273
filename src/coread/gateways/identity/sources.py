"""Where a request comes from: whose address, whose page, how often."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.requests import Request

from coread.errors import ForgedRequest, TooManyRequests

_WINDOW = timedelta(minutes=1)
_MOST_SOURCES = 10_000
_UNSAFE_SITES = frozenset({"cross-site", "same-site"})


def source_of(request: Request, trusted_proxies: Collection[str]) -> str:
    """Return the address of whoever calls; of an IPv6 address its network, which is one subscriber's.

    Parameters
    ----------
    request
        What is asked.
    trusted_proxies
        Addresses whose ``X-Forwarded-For`` is believed; the last one in it that is no such proxy counts.
    """
    address = request.client.host if request.client else ""
    hops = [hop.strip() for line in request.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    while address in trusted_proxies and hops:
        address = hops.pop()
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)


def is_https(request: Request, public_url: str) -> bool:
    """Tell whether the browser came by https."""
    return request.url.scheme == "https" or public_url.startswith("https://")


def check_origin(request: Request, public_url: str) -> None:
    """Let a changing request pass that a page of ours may have made.

    A browser tells where a request comes from by ``Sec-Fetch-Site`` and ``Origin``; programs tell neither.
    The page's token is asked for beside this.

    Raises
    ------
    ForgedRequest
        If the browser says that another site made it.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "null")
    ours = {_host(f"//{request.headers.get('host', '')}"), _host(public_url)} - {""}
    is_ours = origin == "null" or _host(origin) in ours
    if site in _UNSAFE_SITES or (site is None and not is_ours):
        raise forged("a request that another site made")


def forged(found: str) -> ForgedRequest:
    """Say that a request does not come from a page of ours."""
    return ForgedRequest(found, "one from a page of this service", "load the page again")


class RateLimit:
    """So many events of one source in any minute.

    Parameters
    ----------
    most
        Events in a minute.
    clock
        Tells the time.
    """

    def __init__(self, most: int, clock: Callable[[], datetime]) -> None:
        self._most = most
        self._clock = clock
        self._times: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, source: str) -> None:
        """Count one event.

        Raises
        ------
        TooManyRequests
            If there were too many; it is not counted then.
        """
        now = self._clock()
        with self._lock:
            times = self._times.setdefault(source, deque())
            self._times.move_to_end(source)
            while times and now - times[0] >= _WINDOW:
                times.popleft()
            if len(times) >= self._most:
                raise _too_many((times[0] + _WINDOW - now).total_seconds())
            times.append(now)
            while len(self._times) > _MOST_SOURCES:
                self._times.popitem(last=False)

    def give_back(self, source: str) -> None:
        """Count one event less: it turned out well."""
        with self._lock:
            if times := self._times.get(source):
                times.pop()


def _host(address: str) -> str:
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""


def _too_many(wait_s: float) -> TooManyRequests:
    return TooManyRequests(
        "too many failed logins from one address", "fewer", "wait a minute", wait_s=max(wait_s, 1)
    )
