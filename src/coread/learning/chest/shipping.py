"""Packing the chest reader's bundle: gate and calibration from validation, figures from test."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coread.evaluation import wilson_interval
from coread.learning.calibrating import as_kept
from coread.learning.chest import appraisal
from coread.learning.chest.calibrating import fit_calibration, sick_shares
from coread.learning.chest.chest_card import card_facts
from coread.learning.chest.chest_radiograph import CHECKPOINT, load_weights, of_split, prepared
from coread.learning.chest.cohort import (
    NIH_FINDINGS,
    Radiograph,
    chest_cohort,
    foreign_images,
    grey,
    shifted_cohort,
)
from coread.learning.chest.export import export_onnx
from coread.learning.chest.gatekeeping import drawn, features_of, save_gate, teach_gate
from coread.learning.chest.sites.atlas import Atlas
from coread.learning.chest.sites.blend import Blend
from coread.learning.chest.sites.mixing import mix
from coread.learning.chest.sites.trunks import net_of_onnx
from coread.learning.chest.transfer import ChestNet, low_pass
from coread.readers.bundle import CALIBRATION, CARD, EVALUATION, WEIGHTS
from coread.readers.chest_radiograph.gate import FeatureHead, refusal_by_features, refusal_by_grey
from coread.readers.chest_radiograph.reader import METHOD
from coread.readers.onnx import Session
from coread.readers.uncertainty import Band, Calibration

Float = NDArray[np.float32]
Say = Callable[[str], None]
Keep = Callable[[appraisal.Marked, Atlas], None]

GATE = "gate.npz"

BLUR_PX = 1.5
"""Low pass before the stem of both trunks, standard deviation in pixels of 224: what is finer than that tells
the hospital's machines apart. Chosen on validation patients, see `coread.learning.chest.sites.study`."""

PER_SET = 150
"""About the most test images per foreign set, evenly drawn: bounds a refusal rate of 1 to within 2.5 %."""


TURNED, DRAWN = 8, 20
"""Every so manieth test chest is turned and inverted; drawn images of each kind of nonsense."""


@dataclass(frozen=True)
class Origin:
    """Where a bundle comes from: what a person needs to make it again.

    Attributes
    ----------
    commit, command
        State of the code and the command line.
    seeds
        Of every random draw.
    training
        The plan of the run.
    """

    commit: str
    command: str
    seeds: Mapping[str, int]
    training: Mapping[str, Any]


def origin_of(run: Path, command: str) -> Origin:
    """Where the bundle of a training run comes from, with the seeds of every step after it."""
    plan = plan_of(run)
    seeds = {"training": plan["seed"], "gate": 7, "bootstrap": 0, "erasure": 0, "random_weights": 3}
    return Origin(commit_of(Path(__file__).parents[2]), command, seeds, plan)


class Network:
    """The exported network, as the clinic runs it."""

    def __init__(self, weights: Path, threads: int = 2) -> None:
        self.sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        self._session = Session(weights, self.sha256, threads)

    def __call__(self, inputs: Float) -> tuple[Float, Float, Float]:
        """Logits [n], features [n, d] and activation [n, h, w] of inputs [n, 1, 224, 224]."""
        outputs = self._session.run({"image": inputs})
        return outputs["logit"], outputs["features"], outputs["activation"]

    def in_parts(self, inputs: Float, size: int = 4) -> tuple[Float, ...]:
        """The same for many inputs, `size` at a time."""
        parts = [self(inputs[i : i + size]) for i in range(0, len(inputs), size)]
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def export(data: Path, run: Path, bundle: Path, say: Say) -> None:
    """Make weights, gate and calibration of the bundle, from training and validation images only.

    Parameters
    ----------
    data
        Folder that holds the published sets.
    run
        Folder of the finished training run; the cache of looks is kept there.
    bundle
        Folder to write.
    say
        Told what is going on.
    """
    say("writing the network")
    export_onnx(blend_of(data, run, say), bundle / WEIGHTS)
    network = Network(bundle / WEIGHTS)
    cohort = chest_cohort(data)
    judges = of_split(cohort, "val")
    say("fitting calibration and abstention band on the validation split")
    shares = sick_shares([*of_split(cohort, "train"), *judges])
    curve, threshold = fit_calibration(judges, network.in_parts(prepared(judges))[0], shares)
    save_calibration(curve, threshold, bundle / CALIBRATION)
    if (run / GATE).exists():  # taught before, on the features of the same tuned trunk
        (bundle / GATE).write_bytes((run / GATE).read_bytes())
        return
    say("teaching the gate")
    save_gate(teach_gate(network, of_split(cohort, "train"), judges, data), bundle / GATE)


def blend_of(data: Path, run: Path, say: Say) -> Blend:
    """The blend of a finished run, its heads fitted anew from the run's cached looks.

    Parameters
    ----------
    data, run, say
        As for `export`.
    """
    tuned = load_weights(run / "weights.pt")
    tuned.kernel = low_pass(BLUR_PX)
    atlas = Atlas(data, run / "looks", lambda text, share: say(f"{text} {100 * share:.0f} %"), tuned=tuned)
    net = Blend(tuned, atlas.plain, mix(atlas, tuned)[0])
    net.eval()
    return net


def save_calibration(curve: Calibration, threshold: float, path: Path) -> None:
    """Write the curve in the form that `coread.readers.bundle` reads, with the threshold beside it."""
    path.write_text(json.dumps({**as_kept(curve), "threshold": threshold}) + "\n", encoding="utf-8")


def load_calibration(path: Path) -> tuple[Calibration, float]:
    """Read what `save_calibration` wrote."""
    held = json.loads(path.read_text(encoding="utf-8"))
    score, probability, lower, upper = (
        tuple(held[name]) for name in ("score", "probability", "lower", "upper")
    )
    band = Band(**held["abstain"])
    said, chinese = held["calibrated_on"], held.get("calibrated_on_zh", "")
    curve = Calibration(score, probability, lower, upper, said, band, held["level"], chinese)
    return curve, held["threshold"]


def evaluate(
    data: Path, run: Path, bundle: Path, origin: Origin, say: Say, keep: Keep = lambda *_: None
) -> dict[str, Any]:
    """Appraise the exported network on the test split, and pack card and evaluation.

    Parameters
    ----------
    data, run, bundle
        Folders of the sets, of the training run and of the bundle.
    origin
        Where the bundle comes from.
    say
        Told what is going on.
    keep
        Given the test radiographs with the reader's answers, and what the trunk saw of them.

    Returns
    -------
    dict
        The evaluation as written, numbers rounded to 6 digits.
    """
    network = Network(bundle / WEIGHTS)
    curve, threshold = load_calibration(bundle / CALIBRATION)
    cohort = chest_cohort(data)
    report: dict[str, Any] = {
        "weights_sha256": network.sha256,
        "threshold": threshold,
        "evidence_grade": "retrospective",
    }
    for split in ("val", "test"):
        say(f"reading the {split} split")
        items = of_split(cohort, split)
        logits, features, _ = network.in_parts(prepared(items))
        marks = appraisal.marked(items, logits, curve, threshold)
        report["sites" if split == "test" else "validation"] = _sites(marks)
    report["subgroups"] = {
        "nih": appraisal.adult_subgroups(marks.of_site("nih")),
        "paediatric": appraisal.child_subgroups(marks.of_site("paediatric")),
    }
    say("measuring the gate")
    report["gate"] = gate_report(network, bundle, (items, features), data)
    report["explanation"] = {"method": METHOD, "verdicts": {"measured": False}}
    report["explanation_passed"] = False
    say("fitting the baselines")
    atlas = Atlas(data, run / "looks", lambda *_: None)
    report["baselines"] = baseline_report(atlas)
    keep(marks, atlas)
    report["abstention_band"] = {"lower": curve.band.lower, "upper": curve.band.upper}
    report["origin"] = {**asdict(origin), "data_sha256": data_hash(data), "machine": machine()}
    return pack(bundle, plain(report))


def _sites(marks: appraisal.Marked) -> dict[str, Any]:
    return {site: appraisal.site_report(marks.of_site(site)) for site in ("nih", "paediatric")}


def gate_report(
    network: Network, bundle: Path, read: tuple[Sequence[Radiograph], Float], data: Path
) -> dict[str, Any]:
    """Refusals per set: of chests (should be few) and of everything else (should be all).

    The header is not asked: every refusal counted here is one by pixels. `read` are the test radiographs with
    their features.
    """
    with np.load(bundle / GATE) as held:
        head = FeatureHead.of_arrays(held)
    tests, features = read
    pixels = [grey(item.path) for item in tests]
    sites = np.array([item.site for item in tests])
    report = {}
    for site in ("nih", "paediatric"):
        mine = [p for p, s in zip(pixels, sites, strict=True) if s == site]
        report[f"chest_{site}"] = _refusals(mine, features[sites == site], head)
    sets: dict[str, list[NDArray[np.generic]]] = {
        "chest_covid_unseen_source": [grey(path) for path in shifted_cohort(data)],
        "inverted_chest": [255 - p for p in pixels[::TURNED]],
        "turned_90_chest": [np.rot90(p) for p in pixels[::TURNED]],
        "turned_180_chest": [np.rot90(p, 2) for p in pixels[::TURNED]],
        "drawn_nonsense": list(drawn(np.random.default_rng(11), DRAWN)),
    }
    for name, image in foreign_images(data, "test", PER_SET):
        sets.setdefault(name, []).append(image)
    others = {name: _refusals(images, features_of(network, images), head) for name, images in sets.items()}
    return {**report, **others}


def _refusals(images: Sequence[NDArray[np.generic]], features: Float, head: FeatureHead) -> dict[str, Any]:
    by_features = [refusal_by_features(row[None], head) for row in features]
    by_grey = [refusal_by_grey(image.astype(np.float32) / 255) for image in images]
    reasons = [g or f for g, f in zip(by_grey, by_features, strict=True)]
    codes = [reason.code for reason in reasons if reason]
    return {
        "images": len(images),
        "refused": wilson_interval(len(codes), len(images)),
        "refused_by_features_alone": wilson_interval(sum(r is not None for r in by_features), len(images)),
        "reasons": {code: codes.count(code) for code in sorted(set(codes))},
    }


def baseline_report(atlas: Atlas) -> dict[str, Any]:
    """Naive readers on the same test images, each fitted on the training split of the same source."""
    report: dict[str, Any] = {}
    for site in ("nih", "paediatric"):
        rows = [atlas.rows(split, site) for split in ("train", "test")]
        (old, new), features = (atlas.some(r) for r in rows), [atlas.last()[r] for r in rows]
        report[site] = {
            "mean_grey": appraisal.mean_grey(old, new),
            "frozen_imagenet_logistic": appraisal.frozen_features(features[0], old, features[1], new),
            **(appraisal.without_image(old, new) if site == "nih" else {}),
        }
    report["paediatric"]["age_sex_view"] = None  # the source publishes neither age nor sex nor view per image
    return report


def pack(bundle: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Write evaluation and card, with the hash of every file."""
    write_json(bundle / EVALUATION, report)
    names = (WEIGHTS, CALIBRATION, GATE, EVALUATION)
    hashes = {name: hashlib.sha256((bundle / name).read_bytes()).hexdigest() for name in names}
    write_json(bundle / CARD, {**card_facts(report), "files": hashes})
    return report


def write_json(path: Path, held: Mapping[str, Any]) -> None:
    """Write JSON that a person can read."""
    path.write_text(json.dumps(held, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def plain(held: Any) -> Any:
    """Data classes, arrays and floats as JSON types, rounded to 6 digits; nan becomes None."""
    if is_dataclass(held) and not isinstance(held, type):
        return plain(asdict(held))
    if isinstance(held, Mapping):
        return {str(key): plain(value) for key, value in held.items()}
    if isinstance(held, list | tuple):
        return [plain(value) for value in held]
    if isinstance(held, bool | np.bool_):
        return bool(held)
    if isinstance(held, float | np.floating):
        return round(float(held), 6) if np.isfinite(held) else None
    return int(held) if isinstance(held, np.integer) else held


def data_hash(data: Path) -> str:
    """SHA-256 over the published checksums of the two chest sets, sorted."""
    lines = (data / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    chosen = sorted(line for line in lines if "cxr_nih/" in line or "cxr_paediatric/" in line)
    return hashlib.sha256("\n".join(chosen).encode()).hexdigest()


def plan_of(run: Path) -> dict[str, Any]:
    """The plan of a training run, from its checkpoint."""
    held: dict[str, Any] = torch.load(run / CHECKPOINT, weights_only=True)["plan"]
    return held


def recover(bundle: Path, run: Path) -> None:
    """Make the folder of a training run from a bundle of the first kind, whose trunk is not trained again.

    Parameters
    ----------
    bundle
        Holds ``weights.onnx`` of one trunk and the evaluation that names its plan.
    run
        Folder to write.
    """
    held = json.loads((bundle / EVALUATION).read_text(encoding="utf-8"))
    run.mkdir(parents=True, exist_ok=True)
    network = net_of_onnx(bundle / WEIGHTS)
    whole = ChestNet(extra_labels=len(NIH_FINDINGS))
    known = network.state_dict()
    torch.save(
        {n: known[n] if v.shape == known[n].shape else v for n, v in whole.state_dict().items()},
        run / "weights.pt",
    )
    plan = {
        **held["origin"]["training"],
        "trained_at_commit": held["origin"]["commit"],
        "recovered_from": held["weights_sha256"],
    }
    torch.save({"plan": plan}, run / CHECKPOINT)
    if (bundle / GATE).exists():
        (run / GATE).write_bytes((bundle / GATE).read_bytes())


def commit_of(source: Path) -> str:
    """The commit of the code, "-dirty" if the rooms of the recipe differ from it; "unknown" if there is none.

    Parameters
    ----------
    source
        Folder of the package.
    """
    git = ("git", "-C", str(source))
    rooms = ("evaluation", "learning", "readers/*.py", "readers/chest_radiograph/*.py", "lab.py")
    head = subprocess.run(
        (*git, "rev-parse", "HEAD"), capture_output=True, text=True, check=False
    ).stdout.strip()
    changed = subprocess.run((*git, "diff", "--quiet", "HEAD", "--", *rooms), check=False).returncode == 1
    return (head or "unknown") + ("-dirty" if head and changed else "")


def machine() -> dict[str, str]:
    """Kind of computer and the versions that matter; no host name."""
    return {
        "processor": platform.machine(), "system": platform.system(), "python": platform.python_version(),
        "torch": torch.__version__, "numpy": np.__version__,
    }  # fmt: skip
