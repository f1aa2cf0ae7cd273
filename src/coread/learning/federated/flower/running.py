"""The two long-lived processes of a federation: a coordinator with its SuperLink, and a site."""

from __future__ import annotations

import fcntl
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coread.errors import FederationRefused
from coread.learning.federated.coordinator.conducting import Conducting
from coread.learning.federated.coordinator.folder import CoordinatorFolder
from coread.learning.federated.coordinator.rounds import Tell
from coread.learning.federated.flower.quiet import switch_off
from coread.learning.federated.keys import node_key
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.sites.desk import Desk
from coread.learning.federated.sites.folder import SiteFolder
from coread.learning.federated.sites.lending import Opener, lend_of


def coordinate(coordinator: CoordinatorFolder, plan: Plan, wait_s: float, tell: Tell) -> dict[str, Any]:
    """Run a plan to its end; called again after a stop, it goes on with the next round.

    Parameters
    ----------
    coordinator, plan
        Whose, and which.
    wait_s
        How long the sites' officers may take.
    tell
        Told of progress.
    """
    switch_off(coordinator.folder / "flower")
    from coread.learning.federated.flower.driver import driven  # noqa: PLC0415 - after the switches
    from coread.learning.federated.flower.superlink import Place, SuperLink  # noqa: PLC0415

    said = coordinator.settings
    place = Place(
        said.host, said.port, Path(said.certificate), Path(said.key), Path(said.authority),
        coordinator.folder / "flower",
    )  # fmt: skip
    nodes = {site: card["node_key"] for site, card in coordinator.cards().items() if site in plan.sites}
    with alone(coordinator.folder), SuperLink(place).running(), driven(place, nodes) as wire:
        return Conducting(coordinator, plan, wire, tell).run(wait_s)


def serve_site(site: SiteFolder, tell: Callable[[str], None], opener: Opener | None = None) -> None:
    """Stay connected and answer orders until the process is asked to end (SIGTERM, SIGINT).

    Parameters
    ----------
    site
        Its folder.
    tell
        Told what happens.
    opener
        Opens the clinic's register of consents, for a cohort of its archive.
    """
    switch_off(site.folder / "flower")
    from coread.learning.federated.flower.node import Connection, SiteNode  # noqa: PLC0415

    settings, ended = site.settings, threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    connection = Connection(settings.link, Path(settings.authority), node_key(site.folder)[0], site.folder)
    with alone(site.folder):
        desk = Desk(site, lend=lend_of(site, opener))
        SiteNode(connection, tell).serve(desk.answer, ended.is_set)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder, so that no second process serves it.

    Raises
    ------
    FederationRefused
        If another process holds it.
    """
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            remedy = "stop it first; one folder serves one federation at a time"
            raise FederationRefused(
                "another process at work", "a free folder", remedy, folder.name
            ) from fault
        yield
