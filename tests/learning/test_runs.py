from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from coread.errors import RecipeUnavailable, RunRefused  # noqa: E402
from coread.learning.recipe import Recipe, recipes  # noqa: E402
from coread.learning.runs.checkpoint import (  # noqa: E402
    Checkpoint,
    random_states,
    restore_random_states,
    seed_everything,
)
from coread.learning.runs.files import plain, replace_file, write_json  # noqa: E402
from coread.learning.runs.run import Run  # noqa: E402


def test_a_run_keeps_states_and_json(tmp_path):
    run = Run(tmp_path / "run", seed=3)
    assert run.load("net") is None
    run.save("net", {"w": torch.arange(3), "step": 2})
    assert run.load("net")["w"].tolist() == [0, 1, 2]
    run.write_json("part/figures", {"a": np.float32(0.5), "b": float("nan")})
    assert run.read_json("part/figures") == {"a": 0.5, "b": None}


def test_a_folder_keeps_to_its_seed_and_facts(tmp_path):
    Run(tmp_path, seed=3).keep_to(recipe="a", plan={"epochs": 2})
    again = Run(tmp_path, seed=3)
    again.keep_to(recipe="a", plan={"epochs": 2})
    with pytest.raises(RunRefused, match="seed 3"):
        Run(tmp_path, seed=4)
    with pytest.raises(RunRefused, match="epochs"):
        again.keep_to(plan={"epochs": 3})


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a//b", ".hidden", ""])
def test_no_file_leaves_the_folder(tmp_path, name):
    with pytest.raises(ValueError, match="plain relative name"):
        Run(tmp_path).path(name)


def test_generators_are_apart_by_seed_purpose_and_epoch(tmp_path):
    run, other = Run(tmp_path / "a", 1), Run(tmp_path / "b", 2)
    draws = [
        generator.integers(1 << 60)
        for generator in (run.rng("order"), run.rng("noise"), run.rng("order", 1), other.rng("order"))
    ]
    assert len(set(draws)) == 4
    assert run.rng("order").integers(1 << 60) == draws[0]


def test_a_broken_state_is_refused_with_its_name(tmp_path):
    run = Run(tmp_path)
    run.save("net", {"w": torch.zeros(2)})
    data = run.path("net.pt").read_bytes()
    run.path("net.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(RunRefused, match="delete this file"):
        run.load("net")


def test_a_state_with_code_in_it_is_refused(tmp_path):
    run = Run(tmp_path)
    torch.save({"w": subprocess.Popen}, run.path("net.pt"))
    with pytest.raises(RunRefused):
        run.load("net")


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})

    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, fail)
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_two_processes_do_not_share_a_folder(tmp_path):
    program = (
        "import sys, pathlib; from coread.learning.runs.run import Run\n"
        f"run = Run(pathlib.Path({str(tmp_path)!r}))\n"
        "with run.alone():\n    pass\n"
    )
    with Run(tmp_path).alone():
        outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "another process at work" in outcome.stderr
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_random_states_come_back():
    seed_everything(5)
    held = random_states()
    first = torch.rand(3), np.random.normal(), __import__("random").random()
    restore_random_states(held)
    second = torch.rand(3), np.random.normal(), __import__("random").random()
    assert torch.equal(first[0], second[0])
    assert first[1:] == second[1:]


def test_a_checkpoint_of_another_plan_is_refused(tmp_path):
    run, net = Run(tmp_path), torch.nn.Linear(2, 1)
    for _ in Checkpoint(run, "net", {"rate": 1e-9}, net=net).steps(2):
        pass
    assert Checkpoint(run, "net", {"rate": 1e-9}, net=net).step == 2
    with pytest.raises(RunRefused, match="another plan"):
        Checkpoint(run, "net", {"rate": 2e-9}, net=net)


def test_progress_is_a_share(tmp_path):
    told = []
    run = Run(tmp_path, tell=lambda text, share: told.append((text, share)))
    run.progress("a", 1.7)
    run.progress("b", -1)
    assert told == [("a", 1.0), ("b", 0.0)]


def test_history_forgets_what_is_done_again(tmp_path):
    run = Run(tmp_path)
    for step in (0, 1, 2, 1):
        run.remember(step, auc=step / 10)
    assert run.read_json("history") == [{"step": 0, "auc": 0.0}, {"step": 1, "auc": 0.1}]


def test_parts_of_a_run_have_seeds_of_their_own(tmp_path):
    run = Run(tmp_path, seed=1)
    assert run.part("arm/seed2", seed=2).seed == 2
    assert run.part("other").seed == 1
    with pytest.raises(RunRefused):
        run.part("arm/seed2", seed=3)


def test_plain_rounds_and_names_what_is_not_finite():
    held = plain({"a": np.array([0.1234567, np.inf]), "b": (np.bool_(True), np.int64(2))})
    assert held == {"a": [0.123457, None], "b": [True, 2]}


def point(name, value):
    return EntryPoint(name, value, "coread.recipes")


def test_installed_recipes_keep_the_interface():
    found = recipes()
    assert {"chest-radiograph", "blood-smear"} <= set(found)
    for name in found:
        assert isinstance(found[name], Recipe)
        assert found[name].name == name


@pytest.mark.parametrize(
    ("points", "asked", "said"),
    [
        ([], "a", "0 recipes"),
        ([point("a", "json:loads"), point("a", "json:dumps")], "a", "2 recipes"),
        ([point("a", "nowhere.to.find:recipe")], "a", "nowhere"),
        ([point("a", "json:nothing")], "a", "nothing"),
        ([point("a", "json:loads")], "a", "a function"),
    ],
)
def test_a_recipe_that_cannot_be_used_says_why(points, asked, said):
    with pytest.raises(RecipeUnavailable, match=said):
        recipes(points)[asked]
