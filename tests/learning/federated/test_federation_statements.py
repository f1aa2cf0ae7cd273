"""Sites make the same statements of the same account, and sign; an altered one is refused and told."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the lab's tests run in the lab's environment")

import json
from dataclasses import replace

from federation_rooms import Numbers, Rooms
from typer.testing import CliRunner

from coread.errors import FederationRefused
from coread.learning.federated.command_line.site import app
from coread.learning.federated.contribution.agreeing import agreed, read_account, told
from coread.learning.federated.contribution.statement import digest, statements
from coread.learning.federated.coordinator.conducting import Conducting
from coread.learning.federated.plan.plan import Privacy
from coread.learning.federated.plan.words import in_words


def ended(folder, **plan):
    rooms = Rooms(folder, **plan)
    rooms.approve()
    rounds = rooms.rounds()
    state = rounds.run(lambda: Numbers().initial(0))
    conducting = Conducting(None, rooms.plan, rooms.wire, lambda *_: None)
    conducting.__dict__["_initial"] = lambda: Numbers().initial(0)
    return rooms, rounds, state, conducting, conducting.result(rounds, state)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Three sites, every coalition of them trained; the statements are signed by all."""
    rooms, rounds, state, conducting, result = ended(
        tmp_path_factory.mktemp("compared"), rounds=2, contribution="error"
    )
    took, said = rounds.hand_over(state, result)
    assert took == ["site0", "site1", "site2"]
    return rooms, rounds, state, conducting, result, said


def signed_events(rooms, name, kind="signed"):
    wanted = f"federation.statement.{kind}"
    return [e.event for e in rooms.sites[name].record.events(rooms.plan.sha256) if e.event.kind == wanted]


def test_all_sites_sign_the_same_digest_and_it_stands_in_every_ledger(compared):
    rooms, rounds, _, conducting, result, said = compared
    told_ = conducting.agreed(result["contribution"], said, rounds.record)
    assert told_["signed"] == ["site0", "site1", "site2"]
    assert told_["against"] == {}
    digests = {signed_events(rooms, name)[0].facts["statements_sha256"] for name in rooms.sites}
    assert digests == {result["contribution"]["sha256"]}


def test_two_sites_compute_it_anew_from_their_own_copies(compared):
    rooms = compared[0]
    made = []
    for name in ("site0", "site2"):
        path = rooms.sites[name].work(rooms.plan) / "result.json"
        account = json.loads(path.read_text(encoding="utf-8"))["contribution"]["account"]
        made.append(digest(statements(read_account(account))))
    assert made[0] == made[1] == compared[4]["contribution"]["sha256"]


def test_every_coalition_is_trained_and_the_values_add_up(compared):
    worth = compared[4]["contribution"]["account"]["worth"]
    assert sorted(worth) == sorted(
        ["", "site0", "site1", "site2", "site0+site1", "site0+site2", "site1+site2", "site0+site1+site2"]
    )
    values = [one["value"] for one in compared[4]["contribution"]["statements"].values()]
    assert sum(values) == pytest.approx(worth["site0+site1+site2"] - worth[""], abs=1e-5)
    assert worth[""] > worth["site0"]  # an error, which training lessens


def test_training_of_the_coalitions_leaves_the_shared_model_alone(compared, tmp_path):
    *_, state, _, _ = ended(tmp_path, rounds=2)
    for name, array in state.parameters.items():
        assert (compared[2].parameters[name] == array).all()


@pytest.mark.parametrize(
    ("alter", "difference"),
    [
        (lambda c: c["statements"]["site1"].update(value=0.5), r"site1, value: 0.5 stated"),
        (lambda c: c["account"]["after"].update(site1=0.5), r"site1, in the federation: 0.5 in the account"),
        (lambda c: c["account"]["seat"].pop("site2"), "other sites than those that took part"),
        (lambda c: c["account"]["worth"].pop("site0"), "lacks the worth of site0"),
        (lambda c: c.update(sha256="0" * 64), "digest 0000000000000000 given"),
    ],
)
def test_an_altered_statement_is_refused_with_the_difference(compared, alter, difference):
    rooms, rounds, state, conducting, result, _ = compared
    changed = json.loads(json.dumps(result))
    alter(changed["contribution"])
    _, said = rounds.hand_over(state, changed)
    told_ = conducting.agreed(changed["contribution"], said, rounds.record)
    assert told_["signed"] == []
    for why in told_["against"].values():
        assert difference.split(": ")[0] in why
    assert difference in signed_events(rooms, "site0", "refused")[-1].facts["differences"]


def test_a_site_holds_its_own_figures_to_what_it_measured(compared):
    _, rounds, state, _, result, _ = compared
    changed = json.loads(json.dumps(result))
    changed["sites"]["site1"]["federation"]["error"] = 0.5
    account = changed["contribution"]["account"]
    account["after"]["site1"] = 0.5
    changed["contribution"] = told(read_account(account))
    _, said = rounds.hand_over(state, changed)
    assert "signature" in said["site0"]
    assert any("measured here" in why for why in said["site1"]["differences"])


def test_a_signature_of_another_site_does_not_hold(compared):
    rooms, _, _, _, result, said = compared
    sha256 = result["contribution"]["sha256"]
    borrowed = {"site0": said["site1"]["signature"]}
    assert agreed(rooms.plan.sha256, sha256, borrowed, rooms.plan.sites) == []


def test_the_command_shows_value_and_digest(compared):
    rooms, result = compared[0], compared[4]
    said = CliRunner().invoke(app, ["statement", "slopes", "--folder", str(rooms.folder / "site0")])
    assert said.exit_code == 0, said.output
    assert result["contribution"]["sha256"][:16] in said.output.replace("\n", "")
    assert "signed at" in said.output


def test_without_coalitions_gains_are_stated_and_no_value(tmp_path):
    rooms, rounds, state, _, result = ended(tmp_path)
    _, said = rounds.hand_over(state, result)
    assert all("signature" in one for one in said.values())
    mine = result["contribution"]["statements"]["site1"]
    assert mine["value"] is None
    assert mine["gained"] == pytest.approx(result["sites"]["site1"]["gain"]["error"], abs=1e-6)
    assert signed_events(rooms, "site1")[0].facts["value"] == "None"


def test_masks_and_coalitions_do_not_go_together(tmp_path):
    rooms = Rooms(tmp_path)
    with pytest.raises(FederationRefused, match="takes the masks off"):
        replace(rooms.plan, contribution="error", privacy=Privacy(secure_aggregation=True))


def test_a_group_beside_the_plan_is_not_trained(tmp_path):
    rooms = Rooms(tmp_path)
    rooms.approve()
    facts = {"round": 1, "coalition": "site0"}
    order = rooms.rounds().asking.order("train", facts=facts, arrays={"parameters": Numbers().initial(0)})
    answer = rooms.wire.desks["site0"].answer(order)
    assert answer.kind == "refused"
    assert "group" in answer.facts["reason"]


@pytest.mark.parametrize(
    ("language", "words"), [("en", "every group of the sites"), ("zh", "每一种医院组合")]
)
def test_the_plan_says_that_groups_train(compared, language, words):
    assert words in in_words(compared[0].plan, language)
