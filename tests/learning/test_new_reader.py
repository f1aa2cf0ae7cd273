"""The scaffold, and the tutorial's walk in its quick form: images in, an installed reader out."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("efficientnet_lite_pytorch", reason="the lab is not installed (pip install coread[lab])")

from PIL import Image  # noqa: E402

from coread.errors import CohortRefused, RunRefused  # noqa: E402
from coread.learning.backbone import Plan  # noqa: E402
from coread.learning.new_reader import Wanted, examples, judging, make, scaffold, training  # noqa: E402
from coread.learning.new_reader.calibrating import calibration  # noqa: E402
from coread.learning.runs.run import Run  # noqa: E402
from coread.readers import Machine, open_bundle  # noqa: E402
from coread.readers.one_finding import reader_of  # noqa: E402

WANTED = Wanted("round-thing", "disc", ("DX",), "Round thing", "圆形物")


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def drawn(rng, disc):
    row, column = np.mgrid[:120, :100]
    image = rng.normal(90, 8, (120, 100)) + row / 3
    if disc:
        image[(row - rng.integers(45, 75)) ** 2 + (column - rng.integers(35, 65)) ** 2 < 300] += 90
    return np.clip(image, 0, 255).astype(np.uint8)


def folders(root, each=32):
    rng = np.random.default_rng(0)
    for label in ("disc", "plain"):
        (root / label).mkdir(parents=True)
        for number in range(each):
            Image.fromarray(drawn(rng, label == "disc")).save(root / label / f"{label}{number}.png")
    return root


def listed(root, rows, columns=("file", "label", "patient", "split")):
    folders(root, 20)
    with (root / "cases.csv").open("w", newline="") as lines:
        table = csv.DictWriter(lines, columns)
        table.writeheader()
        table.writerows(dict(zip(columns, row, strict=True)) for row in rows)
    return root


def test_folders_become_examples_of_three_splits(tmp_path):
    found = examples(folders(tmp_path / "set"), "disc")
    assert found.channels == 1
    assert {len(found.rows(split)) > 7 for split in ("train", "val", "test")} == {True}
    assert found.labels.sum() == 32
    again = examples(tmp_path / "set", "disc")
    assert (again.split == found.split).all()


def test_an_unknown_label_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(CohortRefused, match="disc, plain"):
        examples(folders(tmp_path / "set", 3), "cube")


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(CohortRefused, match="at least 5 of each"):
        examples(folders(tmp_path / "set", 6), "disc")


def test_a_patient_in_two_splits_is_refused(tmp_path):
    rows = [(f"{kind}/{kind}{i}.png", kind, f"p{i % 7}", ("train", "val", "test")[i % 3])
            for kind in ("disc", "plain") for i in range(20)]  # fmt: skip
    with pytest.raises(CohortRefused, match="patients in two splits"):
        examples(listed(tmp_path / "set", rows), "disc")


def test_a_missing_file_is_named(tmp_path):
    rows = [("disc/none.png", "disc", "a", "train")]
    with pytest.raises(CohortRefused, match=r"none\.png"):
        examples(listed(tmp_path / "set", rows), "disc")


def test_the_scaffold_never_overwrites_its_author(tmp_path):
    home = scaffold(WANTED, tmp_path)
    words = home / "reader.toml"
    words.write_text(words.read_text().replace("unnamed laboratory", "Ward 7"))
    assert scaffold(WANTED, tmp_path) == home
    assert "Ward 7" in words.read_text()


@pytest.mark.parametrize("name", ["Round", "round_thing", "-x", "9lives", ""])
def test_a_name_that_cannot_be_a_package_is_refused(name):
    with pytest.raises(RunRefused):
        Wanted(name, "disc")


def test_the_interval_of_a_probability_is_wider_for_fewer_images():
    rng = np.random.default_rng(0)
    widths = []
    for count in (30, 300):
        truth = np.arange(count) % 2
        held = calibration(
            truth, truth * 1.5 + rng.normal(size=count), [str(i) for i in range(count)], ("test", "测试")
        )
        widths.append(np.mean(np.subtract(held["upper"], held["lower"])))
        assert held["abstain"]["lower"] <= 0.5 <= held["abstain"]["upper"]
    assert widths[0] > 1.5 * widths[1]


def test_views_are_seeded_and_the_first_is_the_image(tmp_path):
    found = examples(folders(tmp_path / "set"), "disc")
    count = len(found.labels)
    plain, mirrored = (training.view(found, number, 1) for number in (4, 4 + count))
    assert (plain[:, :, ::-1] == mirrored).all()
    first, second = (training.view(found, 4 + 3 * count, 1) for _ in "ab")
    assert (first == second).all()
    assert first.shape == (1, 224, 224)


def test_two_folders_become_a_reader_that_pip_installs_and_keeps_the_contract(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "PLAN", Plan(passes=1, batch=16, least_steps=20))
    monkeypatch.setattr(training, "VIEWS", 2)
    monkeypatch.setattr(judging, "ERASED", 2)
    monkeypatch.setattr(judging, "STRANGERS", 3)
    data = folders(tmp_path / "set")
    home = scaffold(WANTED, tmp_path / "made")
    bundle = open_bundle(make(home, data, Run(tmp_path / "run", 0)))
    report = json.loads((home / "bundle" / "evaluation.json").read_text())
    assert report["auc"]["value"] > 0.9
    assert report["auc"]["n"] == report["images"]
    assert reader_of(bundle, Machine()).channels == 1
    root, site = home.parents[1], tmp_path / "site"
    _installed(root, site)
    seen = _python(
        site, "from coread.readers import Registry; r = Registry.load(); print(r.card('round-thing').title)"
    )
    assert seen == "Round thing"
    (root / "tests" / "images").mkdir()
    Image.open(sorted((data / "disc").glob("*"))[0]).save(root / "tests" / "images" / "one.png")
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(root), "tests"],
        env=_env(site), cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout[-2000:]
    assert "skipped" not in outcome.stdout


def _installed(root, site):
    """Install without a network: setuptools is here, coread is on the path."""
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--target", str(site), str(root)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip


def _env(site):
    return {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}


def _python(site, program):
    outcome = subprocess.run(
        [sys.executable, "-c", program], env=_env(site), capture_output=True, text=True, check=True
    )
    return outcome.stdout.strip()
