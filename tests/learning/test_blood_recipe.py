"""The blood smear recipe from drawn fields and cells to a bundle that the clinic opens."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("efficientnet_lite_pytorch", reason="the lab is not installed (pip install coread[lab])")

from drawn_smears import drawn_field, drawn_sets  # noqa: E402

from coread.learning.backbone.fitting import Plan as NamingPlan  # noqa: E402
from coread.learning.blood import detecting, examining, packing, refusing  # noqa: E402
from coread.learning.blood.recipe import BloodSmearRecipe  # noqa: E402
from coread.learning.runs.run import Run  # noqa: E402
from coread.readers import Machine, open_bundle  # noqa: E402
from coread.readers.blood_smear.reader import reader_of  # noqa: E402

RECIPE = BloodSmearRecipe(
    detector_plan=detecting.Plan(views=1, passes=2, batch=4),
    naming_plan=NamingPlan(passes=1, batch=16, rate=1e-3, average=0.8, least_steps=2),
    members=2,
)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A bundle made from drawn sets, with its run."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("smears")
    drawn_sets(folder / "data", {"train": 4, "val": 2, "test": 2})
    patch = pytest.MonkeyPatch()
    patch.setattr(refusing, "FOREIGN", ("drawn",))
    for module in (packing, examining):
        patch.setattr(module, "PER_SET", 6)
    run, bundle = Run(folder / "out" / "run", 0), folder / "out" / "bundle"
    RECIPE.train(folder / "data", run)
    for step in (RECIPE.bundle, RECIPE.evaluate, RECIPE.explain):
        step(folder / "data", run, bundle)
    patch.undo()
    return run, bundle


def test_the_bundle_opens_and_answers(shipped):
    made = reader_of(open_bundle(shipped[1]), Machine())
    assert made.card.identity.name == "blood-smear"
    assert len(made.card.limits) == len(made.card.limits_zh)
    seen = made.look(drawn_field(np.random.default_rng(99))[0])
    assert len(seen.names) == len(seen.cells.of_kind(0).kind)
    assert (seen.cells.boxes[:, :2] >= 0).all()
    assert np.isfinite(made.counting.trust(seen.peaks.of_kind(0)))


def test_every_figure_stands_beside_what_it_must_beat(shipped):
    held = json.loads((shipped[1] / "evaluation.json").read_text())
    assert held["evidence_grade"] == "retrospective"
    assert held["fields"]["kinds"].keys() == {"WBC", "RBC", "Platelets"}
    assert held["fields"]["baseline_purple_blobs_WBC"]["f1"]["value"] == 1  # the drawn white cells are purple
    assert held["cells"]["baseline_mean_colour_macro_f1"]["n"] == held["cells"]["cells"] == 16
    assert held["gate"].keys() == {"test_fields", "drawn"}
    assert held["trust"]["white_count_right"].keys() == set(refusing.SPOILS)


def test_answers_and_failures_are_kept_for_the_evidence(shipped):
    with shipped[0].path("answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(refusing.SPOILS)
    assert {row["fault"] for row in rows} == set(refusing.SPOILS)
    assert all(0 <= float(row["probability"]) <= 1 for row in rows)
    for failure in shipped[0].read_json("failures"):
        assert shipped[0].path(failure["picture"]).is_file()
        assert failure["zh"]
    history = shipped[0].part("detector").read_json("history")
    assert history[-1].keys() == {"step", "loss", "val_f1_WBC", "val_f1_RBC", "val_f1_Platelets"}


def test_each_member_has_its_own_seed_and_all_stand_in_one_file(shipped):
    run, bundle = shipped
    folders = sorted(run.folder.glob("member*"))
    assert [json.loads((folder / "run.json").read_text())["seed"] for folder in folders] == [0, 1]
    session = open_bundle(bundle).session("cells.onnx", 1)
    assert session.outputs == ("logits",)
