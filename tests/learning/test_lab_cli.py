"""The lab's commands, from a cohort to a report, and what they refuse."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("pyarrow", reason="the lab is not installed (pip install coread[lab])")

import onnx  # noqa: E402
from drawn_cohorts import picture  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402
from PIL import Image  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import coread.lab  # noqa: E402
from coread.errors import BundleRefused, CohortRefused, RunRefused  # noqa: E402
from coread.lab import app  # noqa: E402
from coread.learning.cohorts import open_cohort  # noqa: E402
from coread.learning.recipe import recipes  # noqa: E402
from coread.learning.runs.bundle_check import check_bundle  # noqa: E402
from coread.learning.runs.gallery import Case, keep_failures  # noqa: E402
from coread.learning.runs.report import gather, report_html  # noqa: E402
from coread.learning.runs.run import Run  # noqa: E402
from coread.testing.patients import ct_slice  # noqa: E402

SHIPPED = Path(coread.lab.__file__).parent / "readers" / "chest_radiograph" / "bundle"


def call(*arguments):
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if outcome.exception and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome


@pytest.fixture
def bundle(tmp_path):
    """The shipped chest bundle, to be spoilt."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for path in SHIPPED.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def rewrite(folder, name, change):
    """Change a JSON file of a bundle, and its hash on the card, as a careless packer would."""
    held = json.loads((folder / name).read_text())
    change(held)
    (folder / name).write_text(json.dumps(held, ensure_ascii=False))
    if name != "card.json":
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        rewrite(folder, "card.json", lambda card: card["files"].update({name: digest}))


def test_the_shipped_bundle_holds():
    assert "the bundle holds" in call("check", SHIPPED).output


def failed_map_shown(folder):
    """Card and evaluation agree that the map is shown, but one of its tests failed."""

    def show(held):
        held["explanation_passed"] = True
        findings = held.get("findings", [])
        for declared in findings.values() if isinstance(findings, dict) else findings:
            declared["explanation_passed"] = True

    def fail(held):
        show(held)
        held["explanation"]["verdicts"] = {"pointing": False}

    rewrite(folder, "evaluation.json", fail)
    rewrite(folder, "card.json", show)


SPOILT = {
    "wrong hash": lambda f: (f / "weights.onnx").write_bytes((f / "weights.onnx").read_bytes() + b"x"),
    "stronger evidence": lambda f: rewrite(f, "card.json", lambda c: c.update(evidence_grade="human_trial")),
    "better figure": lambda f: rewrite(f, "card.json", lambda c: c["limits"].append("The area is 0.98765.")),
    "failed map shown": failed_map_shown,
    "claim that differs": lambda f: rewrite(
        f, "card.json", lambda c: c.setdefault("claims", {}).update({"/no/such/place": 1})
    ),
}


@pytest.mark.parametrize("harm", SPOILT)
def test_a_bundle_that_claims_more_is_refused(bundle, harm):
    SPOILT[harm](bundle)
    with pytest.raises(BundleRefused):
        check_bundle(bundle)


def test_a_bundle_whose_network_takes_other_inputs_is_refused(bundle):
    held = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["other"], ["y"])], "g",
        [held("other", TensorProto.FLOAT, [1, 5])], [held("y", TensorProto.FLOAT, [1, 5])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, bundle / "weights.onnx")
    digest = hashlib.sha256((bundle / "weights.onnx").read_bytes()).hexdigest()

    def declare(card):
        card["files"]["weights.onnx"] = digest
        card["format"] = 2
        card["networks"] = {"weights.onnx": {"inputs": {"image": [None, 1, 224, 224]}}}
        code = card.get("finding") or card["findings"][0]["code"]
        card["findings"] = [{"code": code, "threshold": 0.5, "explanation_passed": False}]

    rewrite(bundle, "card.json", declare)
    code = json.loads((bundle / "card.json").read_text())["findings"][0]["code"]["value"]

    def state(report):
        report["weights_sha256"] = digest
        report["findings"] = {code: {"threshold": 0.5, "explanation_passed": False}}

    rewrite(bundle, "evaluation.json", state)
    curve = json.loads((bundle / "calibration.json").read_text())
    if "findings" not in curve:
        (bundle / "calibration.json").write_text(json.dumps({"findings": {code: curve}}))
    rewrite(bundle, "calibration.json", lambda c: None)
    with pytest.raises(BundleRefused, match="as declared"):
        check_bundle(bundle)


class Page(HTMLParser):
    """Tags, attributes and text of a report."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def read_page(html):
    page = Page()
    page.feed(html)
    return page


def test_the_report_is_one_file_without_scripts_in_both_languages(tmp_path, bundle):
    run = tmp_path / "run"
    run.mkdir()
    (run / "history.json").write_text(json.dumps([{"step": n, "val_auc": 0.5 + n / 10} for n in range(4)]))
    (run / "failures.json").write_text(json.dumps([{"picture": "a.png", "en": "A <miss>", "zh": "漏诊"}]))
    Image.fromarray(picture(0)).save(run / "a.png")
    out = tmp_path / "report.html"
    call("report", bundle, "--into", out, "--run", run)
    html = out.read_text(encoding="utf-8")
    page = read_page(html)
    assert "script" not in page.tags
    assert not [value for name, value in page.attributes if name.startswith("on")]
    outside = [
        v for n, v in page.attributes if n in ("src", "href") and not (v or "").startswith(("data:", "#"))
    ]
    assert outside == []
    assert "default-src 'none'" in html
    text = " ".join(page.text)
    card = json.loads((bundle / "card.json").read_text())
    assert all(part in text for part in (*card["limits"], *card["limits_zh"]))
    assert "Retrospective" in text
    assert "回顾性" in text
    assert "A <miss>" in text
    assert "<miss>" not in html
    assert page.tags.count("img") > 5
    assert all(value for name, value in page.attributes if name == "alt")


def test_the_gallery_holds_the_worst_failures_first(tmp_path, bundle):
    run = Run(tmp_path / "run")
    answers = [(1, 0.9), (1, 0.2), (0, 0.99), (0, 0.1), (1, 0.45), (0, 0.6)]
    cases = [
        Case(picture(n, 300, 200), truth, p, f"case {n}", f"view {n}") for n, (truth, p) in enumerate(answers)
    ]
    assert keep_failures(run, cases, threshold=0.5, most=3) == 4
    held = run.read_json("failures")
    assert [entry["en"].split(".", maxsplit=1)[0] + entry["en"][-6:] for entry in held] == [
        "case 2: false alarm, probability 0view 2", "case 1: missed, probability 0view 1",
        "case 5: false alarm, probability 0view 5",
    ]  # fmt: skip
    rewrite(bundle, "evaluation.json", lambda e: e.clear())
    html = report_html(gather(bundle, run.folder))
    assert html.count("<figure>") == 3
    assert "误报" in html
    with Image.open(run.path("failures/00.png")) as image:
        assert max(image.size) == 256


def test_the_same_material_gives_the_same_report(bundle):
    rewrite(
        bundle,
        "evaluation.json",
        lambda e: [e.pop(name) for name in list(e) if name not in ("sites", "baselines")],
    )
    assert report_html(gather(bundle)) == report_html(gather(bundle))


def test_every_figure_stands_in_the_report(bundle):
    text = " ".join(read_page(report_html(gather(bundle))).text)
    evaluation = json.loads((bundle / "evaluation.json").read_text())
    for site in evaluation["sites"].values():
        assert f"{site['auc']['value']:.3g} ({site['auc']['lower']:.3g} to" in text
    for baselines in evaluation["baselines"].values():
        for figure in filter(None, baselines.values()):
            if isinstance(figure, dict) and "value" in figure:
                assert f"{figure['value']:.3g}" in text


def test_a_report_of_half_a_bundle_is_refused(bundle):
    (bundle / "evaluation.json").unlink()
    with pytest.raises(RunRefused, match="without card or evaluation"):
        gather(bundle)


def test_a_folder_of_dicom_becomes_a_cohort(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for seed in range(8):
        (source / f"{seed}.dcm").write_bytes(ct_slice(seed))
    (source / "Zzyzx notes.txt").write_text("no image")
    out = tmp_path / "cohort"
    said = call("cohort", source, "--out", out, "--site", "A", "--step", "window:centre=40,width=400").output
    assert "Zzyzx notes.txt" in said
    built = open_cohort(out)
    assert len(built.images) == 8
    assert {(image.site, image.grey_unit) for image in built.images} == {("A", "share")}
    assert (out / "data_card.md").is_file()
    assert "Zzyzx" not in (out / "data_card.md").read_text()


def test_labels_of_a_file_join_with_their_code_book(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for seed in range(8):
        (source / f"{seed}.dcm").write_bytes(ct_slice(seed))
    key = tmp_path / "key"
    first = tmp_path / "first"
    call("cohort", source, "--out", first, "--key-file", key)
    names = [image.image for image in open_cohort(first).images]
    table = tmp_path / "labels.csv"
    table.write_text(
        "image,label,annotator,value\n" + "".join(f"{n},Sick,bob,{k % 2}\n" for k, n in enumerate(names))
    )
    book = tmp_path / "book.json"
    book.write_text(
        json.dumps([{"name": "sick", "code": {"value": "1", "scheme": "99X", "meaning": "Sick"}}])
    )
    out = tmp_path / "cohort"
    call("cohort", source, "--out", out, "--key-file", key, "--labels", table, "--book", book)
    built = open_cohort(out)
    assert [label.annotator for label in built.labels] == ["bob"] * 8
    assert np.mean([label.value for label in built.labels]) == 0.5


@pytest.mark.parametrize("text", ["{", "[{}]", '[{"name": "a", "code": {"value": ""}}]'])
def test_a_code_book_of_no_use_is_refused(tmp_path, text):
    (tmp_path / "book.json").write_text(text)
    with pytest.raises(CohortRefused, match=r"book\.json"):
        call("cohort", tmp_path, "--out", tmp_path / "out", "--book", tmp_path / "book.json")


def test_a_source_that_is_none_is_refused(tmp_path):
    with pytest.raises(CohortRefused, match="cxr_nih"):
        call("cohort", "no-such-set", "--out", tmp_path)


class Told:
    """A recipe that writes down its steps."""

    name, title = "told", "Tells its steps"

    def __init__(self):
        self.steps = []

    def train(self, data, run):
        run.keep_to(recipe=self.name)
        run.progress("epoch 1: loss 0.5", 0.5)
        self.steps.append(("train", run.seed, run.folder.name))

    def bundle(self, data, run, folder):
        for path in SHIPPED.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())

    def evaluate(self, data, run, folder):
        self.steps.append(("evaluate", folder.name))

    def explain(self, data, run, folder):
        (folder / "weights.onnx").write_bytes(b"spoilt")


told = Told()


def test_each_step_calls_the_recipe_and_checks_the_bundle(tmp_path, monkeypatch):
    point = EntryPoint("told", "x:y", "coread.recipes")
    monkeypatch.setattr(EntryPoint, "load", lambda self: told)
    monkeypatch.setattr(coread.lab, "recipes", lambda: recipes([point]))
    common = ("told", "--data", tmp_path, "--out", tmp_path / "run", "--seed", 4)
    assert "epoch 1: loss 0.5" in call("train", *common).output
    call("bundle", *common)
    assert "the bundle holds" in call("evaluate", *common).output
    assert "optimistic" not in call("evaluate", *common).output
    with pytest.raises(BundleRefused, match=r"weights\.onnx"):
        call("explain", *common)
    with pytest.raises(BundleRefused):
        call("evaluate", *common)
    call("bundle", *common)
    assert "2 different networks of this run" in " ".join(call("evaluate", *common).output.split())
    assert told.steps == [("train", 4, "run"), *[("evaluate", "bundle")] * 4]
    with pytest.raises(RunRefused, match="recipe"):
        Run(tmp_path / "run", 4).keep_to(recipe="another")
    assert "Tells its steps" in call("recipes").output


def test_an_error_is_one_line_and_exit_code_2():
    outcome = subprocess.run(
        [sys.executable, "-m", "coread.lab", "cohort", "nothing", "--out", "x"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("[2301]")
    assert "Traceback" not in outcome.stderr


def test_every_command_stands_in_the_book():
    page = Path(__file__).resolve().parents[2] / "docs" / "lab.md"
    text = page.read_text(encoding="utf-8")
    commands = {c.name or c.callback.__name__.replace("_", "-") for c in app.registered_commands}
    commands |= {group.name for group in app.registered_groups}
    for name in commands:
        assert f"`coread-lab {name}`" in text
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0
    assert set(re.findall(r"coread-lab ([a-z-]+)", text)) <= commands
