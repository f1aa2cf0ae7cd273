"""The auditor's browser makes every proof itself, and notices what the server's database was made to say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from page_browser import Page
from page_site import PageSite
from sqlalchemy import update

from coread.domain.person import Role
from coread.ledger.tables import EVENTS

pytestmark = [pytest.mark.peer, pytest.mark.slow]


def test_the_browser_makes_every_proof_itself(site: PageSite, open_page: Callable[..., Page]) -> None:
    site.add("auditor", Role.AUDITOR)
    uid = site.room.study()
    page = open_page("auditor")
    page.go(f"/audit/studies/{uid}")
    page.click("#check-here")
    page.see("4 facts lead to the root shown", "#checked")
    house = site.room.house
    with house.database.write() as connection:
        sequence = house.ledger.events(uid)[1].sequence
        changed = update(EVENTS).where(EVENTS.c.sequence == sequence).values(facts='{"version":"2"}')
        connection.execute(changed)
    page.click("#check-here")
    page.see("3 facts lead to the root shown", "#checked")
    page.see(str(sequence), "#checked .bad")
    assert page.faults() == []
