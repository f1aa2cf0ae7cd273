"""What a site follows and what it refuses; what it decided is on record, and holds at once."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the lab's tests run in the lab's environment")

import errno
from collections import namedtuple
from dataclasses import fields, replace

import numpy as np
from federation_rooms import Numbers, Rooms

from coread.errors import FederationRefused
from coread.learning.federated.approval import Stand
from coread.learning.federated.keys import signing_key
from coread.learning.federated.plan import code
from coread.learning.federated.plan.plan import Privacy, differences, read_plan
from coread.learning.federated.plan.words import in_words
from coread.learning.federated.sites import refusing
from coread.learning.federated.sites.counting import suppressed, without_small_counts
from coread.learning.federated.sites.desk import MORE_MEASUREMENTS, Desk
from coread.learning.federated.sites.working import Work
from coread.learning.federated.strategies.at_site import round_seed


@pytest.fixture
def rooms(tmp_path):
    return Rooms(tmp_path)


def asked(rooms, plan=None, kind="train", **facts):
    plan = plan or rooms.plan
    asking = rooms.rounds(plan).asking
    arrays = {"parameters": Numbers().initial(0), "arrays": {}}
    order = asking.order(kind, facts={"round": 1, **facts}, arrays=arrays)
    return rooms.wire.desks["site0"].answer(order)


def code_of(answer):
    return answer.facts.get("code") if answer.kind == "refused" else answer.kind


def test_nothing_is_followed_before_an_officer_approves(rooms):
    assert code_of(asked(rooms)) == "plan-unknown"
    rooms.rounds().propose()
    assert code_of(asked(rooms)) == "not-approved"
    rooms.approve()
    assert code_of(asked(rooms)) == "train"


def test_a_veto_and_a_stop_hold_at_once_and_are_on_record(rooms):
    rooms.approve()
    site = rooms.sites["site0"]
    site.approvals.stop(rooms.plan, "officer", "a patient asked")
    assert code_of(asked(rooms)) == "stopped"
    site.approvals.veto(rooms.plan, "officer", "not for us")
    assert code_of(asked(rooms)) == "vetoed"
    words = site.approvals.words(rooms.plan.sha256)
    assert [word.stand for word in words] == [Stand.APPROVED, Stand.STOPPED, Stand.VETOED]
    refused = [
        e.event.facts["code"] for e in site.record.events(rooms.plan.sha256) if "refused" in e.event.kind
    ]
    assert refused == ["stopped", "vetoed"]


def test_a_stop_while_training_keeps_the_update_here(rooms):
    rooms.approve()
    site = rooms.sites["site0"]

    class Stopped(Numbers):
        def local(self, *given):
            site.approvals.stop(rooms.plan, "officer", "now")
            return super().local(*given)

    rooms.wire.desks["site0"] = Desk(site, lambda place, options: Stopped())
    answer = asked(rooms)
    assert code_of(answer) == "stopped"
    assert not answer.arrays


def test_a_plan_changed_after_approval_is_another_plan(rooms):
    rooms.approve()
    changed = replace(rooms.plan, rounds=50)
    assert changed.sha256 != rooms.plan.sha256
    assert differences(changed, rooms.plan) == ("rounds",)
    assert code_of(asked(rooms, changed)) == "plan-unknown"
    rooms.rounds(changed).propose()
    assert code_of(asked(rooms, changed)) == "not-approved"
    text = changed.to_bytes().decode()
    order = rooms.rounds().asking.order("propose", facts={"text": text})  # under the approved hash
    assert rooms.wire.desks["site0"].answer(order).facts["code"] == "plan-changed"


def test_a_plan_file_changed_on_disk_is_not_the_approved_one(rooms):
    rooms.approve()
    site = rooms.sites["site0"]
    path = site.folder / "plans" / f"{rooms.plan.sha256}.json"
    path.write_bytes(replace(rooms.plan, rounds=9).to_bytes())
    assert code_of(asked(rooms)) == "plan-unknown"


def test_what_is_not_consented_can_neither_be_approved_nor_used(rooms):
    site = rooms.sites["site0"]
    with pytest.raises(FederationRefused, match="image:numbers"):
        site.approvals.approve(rooms.plan, "officer")
    rooms.approve()
    site.approvals.consent("image:numbers", "officer", given=False)
    assert code_of(asked(rooms)) == "not-consented"


def test_an_order_that_the_known_coordinator_did_not_sign_is_refused(rooms, tmp_path):
    rooms.approve()
    rooms.key = signing_key(tmp_path / "somebody")
    assert code_of(asked(rooms)) == "wrong-signature"


def test_too_few_cases_are_told_without_their_number(rooms):
    plan = replace(rooms.plan, least_cases=31)
    rooms.approve(plan)
    answer = asked(rooms, plan)
    assert code_of(answer) == "too-few-cases"
    assert "30" not in answer.facts["reason"].replace("31", "")


def test_other_versions_and_other_code_are_refused(rooms):
    plan = replace(rooms.plan, versions={**rooms.plan.versions, "numpy": "1.0"})
    rooms.approve(plan)
    assert code_of(asked(rooms, plan)) == "version-differs"
    plan = replace(rooms.plan, code_sha256="0" * 64)
    rooms.approve(plan)
    assert code_of(asked(rooms, plan)) == "code-differs"


def test_the_code_hash_sees_any_change(tmp_path, monkeypatch):
    package = tmp_path / "planned_task.py"
    package.write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = code.code_sha256("planned_task:make")
    code.code_sha256.cache_clear()
    package.write_text("x = 2\n")
    assert code.code_sha256("planned_task:make") != before


def test_a_full_disk_is_said_before_and_in_the_middle_of_a_round(rooms, monkeypatch):
    rooms.approve()
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as full:
        full.setattr(refusing.shutil, "disk_usage", lambda folder: usage(1, 1, 0))
        assert code_of(asked(rooms)) == "disk-full"

    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("coread.learning.federated.sites.working.write_arrays", no_space)
    assert code_of(asked(rooms)) == "disk-full"


def test_what_the_plan_does_not_say_is_refused(rooms):
    rooms.approve()
    assert code_of(asked(rooms, round=4)) == "beside-the-plan"
    assert code_of(asked(rooms, kind="keys", attempt="1")) == "beside-the-plan"
    hidden = rooms.hidden()
    rooms.approve(hidden)
    assert code_of(asked(rooms, hidden)) == "beside-the-plan"  # an update in the open


def test_steps_come_from_the_site_s_own_copy_of_the_plan(rooms):
    rooms.approve()
    seen = []

    class Watched(Numbers):
        def local(self, data, parameters, instructions, seed):
            seen.append(instructions["steps"])
            return super().local(data, parameters, instructions, seed)

    rooms.wire.desks["site0"] = Desk(rooms.sites["site0"], lambda place, options: Watched())
    asked(rooms, instructions={"steps": 5000}, steps=5000)
    assert seen == [5]


def test_measurements_are_not_given_without_end(rooms):
    plan = replace(rooms.plan, rounds=1)
    rooms.approve(plan)
    said = [code_of(asked(rooms, plan, "evaluate", part="test")) for _ in range(MORE_MEASUREMENTS + 3)]
    assert said == ["evaluate"] * (MORE_MEASUREMENTS + 1) + ["not-possible"] * 2


def test_a_task_that_fails_is_one_refusal(rooms):
    rooms.approve()

    class Broken(Numbers):
        def local(self, *given):
            raise RuntimeError("no memory for this")

    rooms.wire.desks["site0"] = Desk(rooms.sites["site0"], lambda place, options: Broken())
    assert code_of(asked(rooms)) == "task-failed"


@pytest.mark.parametrize("spoil", [np.nan, np.inf])
def test_training_that_spoils_the_model_is_refused_at_its_source(rooms, spoil):
    rooms.approve()

    class Spoilt(Numbers):
        def local(self, *given):
            update = super().local(*given)
            update.parameters["slope"][0] = spoil
            return update

    rooms.wire.desks["site0"] = Desk(rooms.sites["site0"], lambda place, options: Spoilt())
    answer = asked(rooms)
    assert code_of(answer) == "not-possible"
    assert "slope" in answer.facts["reason"]


def test_a_killed_site_answers_with_what_it_had_trained(rooms):
    rooms.approve()
    first = asked(rooms)

    class Never(Numbers):
        def local(self, *given):
            raise AssertionError("trained twice")

    rooms.wire.desks["site0"] = Desk(rooms.sites["site0"], lambda place, options: Never())
    again = asked(rooms)
    np.testing.assert_array_equal(again.arrays["parameters"]["slope"], first.arrays["parameters"]["slope"])


def test_a_broken_file_of_work_is_done_again(rooms):
    rooms.approve()
    first = asked(rooms)
    (path,) = rooms.sites["site0"].work(rooms.plan).glob("round-*.npz")
    path.write_bytes(b"half a file")
    rooms.restart("site0")
    again = asked(rooms)
    np.testing.assert_array_equal(again.arrays["parameters"]["slope"], first.arrays["parameters"]["slope"])


def test_any_change_of_a_plan_changes_its_hash(rooms):
    plan = rooms.plan
    other = {
        "name": "x", "title": {"en": "x", "zh": "x"}, "purpose": {"en": "x", "zh": "x"}, "task": "x:y",
        "options": {}, "query": {"a": 1}, "needs": (), "rounds": 2, "strategy": {"name": "fedprox"},
        "sites": {**plan.sites, "site9": "00"}, "coordinator": "00", "code_sha256": "1" * 64, "versions": {},
        "seed": 1, "least_cases": 1, "least_sites": 3, "compare_alone": False,
        "pack": True, "contribution": "auc",
        "privacy": Privacy(differential={"epsilon": 8}), "patience": replace(plan.patience, tries=9),
        "checks": replace(plan.checks, largest_ratio=9.0),
    }  # fmt: skip
    names = {field.name for field in fields(plan)} - {"format"}
    assert set(other) == names
    assert len({replace(plan, **{n: v}).sha256 for n, v in other.items()} | {plan.sha256}) == len(names) + 1
    assert read_plan(plan.to_bytes()) == plan


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rounds": 0}, "fewer than one round"),
        ({"least_sites": 1}, "fewer than two sites"),
        ({"least_sites": 4}, "fewer than the 4"),
        ({"title": {"en": "only"}}, "no title"),
        ({"privacy": Privacy(secure_aggregation=True, threshold=1)}, "more than half"),
        ({"privacy": Privacy(secure_aggregation=True, threshold=3)}, "fewer sites than the threshold"),
        (
            {"privacy": Privacy(secure_aggregation=True), "strategy": {"name": "scaffold"}},
            "looks at single updates",
        ),
    ],
)
def test_a_plan_that_cannot_be_kept_is_refused(rooms, change, said):
    with pytest.raises(FederationRefused, match=said):
        replace(rooms.plan, **change)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"name": 1}', b"\xff"])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(FederationRefused, match="cannot be read"):
        read_plan(text)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_plain_words_say_hash_sites_and_protection(rooms, language):
    plain, hidden = in_words(rooms.plan, language), in_words(rooms.hidden(), language)
    assert rooms.plan.sha256 in plain
    assert all(site in plain for site in rooms.sites)
    assert plain != hidden
    noisy = replace(rooms.plan, privacy=Privacy(differential={"epsilon": 8}))
    assert "epsilon = 8" in in_words(noisy, language)


def test_no_count_leaves_with_a_measurement_where_one_of_them_is_small(rooms):
    rooms.approve()

    class Counted(Numbers):
        def evaluate(self, *given):
            return {"error": 0.5, "cases": 46.0, "positives": 6.0}

    rooms.wire.desks["site0"] = Desk(rooms.sites["site0"], lambda place, options: Counted())
    said = asked(rooms, kind="evaluate").facts["metrics"]
    assert said == {"error": 0.5}
    assert without_small_counts({"auc": 0.8, "cases": 40.0, "positives": 35.0}) == {"auc": 0.8}
    assert without_small_counts({"cases": 40.0, "positives": 20.0}) == {"cases": 40.0, "positives": 20.0}


def test_small_numbers_are_hidden_and_cannot_be_reckoned_from_a_total():
    assert suppressed({"a": 0, "b": 10, "c": 11}) == {"a": "0", "b": "<11", "c": "11 or more"}
    assert suppressed({"a": 3, "b": 5, "c": 70}) == {"a": "<11", "b": "<11", "c": "70"}


def private_work(rooms, task):
    plan = rooms.planned(privacy=Privacy(differential={"epsilon": 8.0, "clip": 1.0}))
    site = rooms.sites["site0"]
    site.keep_plan(plan)
    return Work(site, plan, task)


class Overheard(Numbers):
    """Remembers the seeds and instructions that it was given."""

    def __init__(self):
        super().__init__()
        self.heard = []

    def local(self, data, parameters, instructions, seed):
        self.heard.append((seed, instructions))
        return super().local(data, parameters, instructions, seed)


def test_noise_cannot_be_foretold_nor_be_had_twice_for_two_models(rooms):
    task = Overheard()
    work, start = private_work(rooms, task), task.initial(0)
    work.learn(1, start, {})
    work.learn(1, {name: array + 1 for name, array in start.items()}, {})
    (first, told), (second, _) = task.heard
    foretold = round_seed(work.plan.seed, "site0", 1)
    assert len({first, second, foretold}) == 3
    assert min(first, second).bit_length() > 128
    assert told["privacy"]["updates"] == work.plan.rounds * told["steps"]
    assert (work.folder / "noise.key").stat().st_mode & 0o077 == 0


def test_no_training_is_given_beyond_the_budget_of_privacy(rooms):
    task = Overheard()
    work, start = private_work(rooms, task), task.initial(0)
    models = [{name: array + step for name, array in start.items()} for step in range(4)]
    for model in models[:3]:
        work.learn(1, model, {})
    work.learn(1, models[2], {})  # the same again costs nothing
    with pytest.raises(FederationRefused, match="budget of privacy"):
        work.learn(1, models[3], {})
