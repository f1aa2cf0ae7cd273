"""The commands of site and coordinator, from two empty folders to a plan that is approved."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the lab's tests run in the lab's environment")

import json

from typer.testing import CliRunner

from coread.errors import FederationRefused
from coread.learning.federated.approval import Stand
from coread.learning.federated.command_line import federation, site
from coread.learning.federated.coordinator.folder import CoordinatorFolder
from coread.learning.federated.sites.folder import SiteFolder
from coread.learning.federated.trial.demonstration import draft

FILES = {"certificate": "server.pem", "key": "server.key", "authority": "authority.pem"}


def said(app, *words):
    outcome = CliRunner().invoke(app, [str(word) for word in words])
    if outcome.exception and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.output


@pytest.fixture
def folders(tmp_path):
    """A coordinator with three enrolled sites and a draft."""
    for name in FILES.values():
        (tmp_path / name).write_text("not looked at here")
    coordinator = tmp_path / "coordinator"
    files = [f"--{name}={tmp_path / path}" for name, path in FILES.items()]
    said(federation.app, "init", "--folder", coordinator, "--name", "trial", *files)
    known = [f"--coordinator={coordinator / 'card.json'}", f"--authority={tmp_path / 'authority.pem'}"]
    cards = []
    for name in ("north", "south", "east"):
        own = [f"--folder={tmp_path / name}", f"--name={name}", f"--select=hospital={name}"]
        said(site.app, "init", *own, *known, "--data", tmp_path)
        cards.append(tmp_path / name / "card.json")
    said(federation.app, "enrol", "--folder", coordinator, *cards)
    (tmp_path / "draft.toml").write_text(draft(), encoding="utf-8")
    return tmp_path


def planned(folders):
    said(federation.app, "plan", "--folder", folders / "coordinator", folders / "draft.toml")
    (plan,) = CoordinatorFolder(folders / "coordinator").plans()
    return plan


def test_from_empty_folders_to_an_approved_plan(folders):
    plan = planned(folders)
    north = SiteFolder(folders / "north")
    north.keep_plan(plan)
    at = ("--folder", folders / "north")
    assert "pending" in said(site.app, "plans", *at)
    assert plan.sha256 in said(site.app, "show", *at, plan.name).replace("\n", "")
    assert "目的" in said(site.app, "show", *at, plan.name, "--lang", "zh")
    assert "125" in said(site.app, "count", *at, plan.name)
    with pytest.raises(FederationRefused, match="label:malignant"):
        said(site.app, "approve", *at, plan.name, "--by", "officer")
    said(site.app, "consent", *at, *plan.needs, "--by", "officer")
    said(site.app, "approve", *at, plan.sha256[:8], "--by", "officer")
    assert north.approvals.stand(plan.sha256) is Stand.APPROVED
    said(site.app, "stop", *at, plan.name, "--by", "officer", "--reason", "enough")
    assert north.approvals.stand(plan.sha256) is Stand.STOPPED
    assert "plan.stopped" in said(site.app, "log", *at).replace("\n", "")


def test_cards_hold_public_keys_only(folders):
    card = json.loads((folders / "north" / "card.json").read_text())
    assert set(card) == {"name", "node_key", "signing_key"}
    assert card["node_key"].startswith("ecdsa-sha2-nistp384 ")
    for name in ("node.key", "signing.key"):
        assert (folders / "north" / name).stat().st_mode & 0o077 == 0


def test_another_card_of_a_known_name_is_refused(folders):
    path = folders / "north" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "signing_key": "00"}))
    with pytest.raises(FederationRefused, match="another card"):
        said(federation.app, "enrol", "--folder", folders / "coordinator", path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("rounds = 8", "rounds = 0", "fewer than one round"),
        ('name = "site-balanced"', 'name = "magic"', "a strategy among"),
        ("rounds = 8", "rounds = 8\nspeed = 3", "lacks or adds"),
        ("rounds = 8", 'rounds = 8\nsites = ["north", "mars"]', "mars"),
        ("rounds = 8", "rounds = ", "no draft"),
        ("threshold = 2", "threshold = 1", "more than half"),
    ],
)
def test_a_draft_that_makes_no_plan_says_why(folders, old, new, words):
    text = (folders / "draft.toml").read_text(encoding="utf-8")
    assert old in text
    (folders / "draft.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(FederationRefused, match=words):
        planned(folders)


def test_a_plan_is_found_by_name_or_hash_only(folders):
    plan = planned(folders)
    north = SiteFolder(folders / "north")
    north.keep_plan(plan)
    with pytest.raises(FederationRefused, match="0 plans"):
        north.plan_of("other")
