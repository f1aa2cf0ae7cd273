"""A bundle: the folder that the lab hands to the clinic, opened only if everything in it holds together.

A bundle is a folder of these files:

``card.json``
    The card, and the hash of every other file::

        {"format": 1,
         "identity": {"name": "chest-radiograph", "version": "1.0.0", "manufacturer": "CoRead"},
         "title": {"en": "...", "zh": "..."},
         "intended_use": {"en": "...", "zh": "..."},
         "limits": ["...", "..."],
         "limits_zh": ["...", "..."],
         "modalities": ["CR", "DX"],
         "finding": {"value": "112001", "scheme": "DCM", "meaning": "Opacity", "meaning_zh": "..."},
         "threshold": 0.41,
         "attribution": ["name, licence, credit", "..."],
         "explanation_passed": true,
         "evidence_grade": "retrospective",
         "claims": {"/sites/nih/auc/value": 0.88},
         "files": {"weights.onnx": "<sha256>", "calibration.json": "<sha256>",
                   "gate.npz": "<sha256>", "evaluation.json": "<sha256>"}}

    ``claims`` holds every figure that the card prints, keyed by its place in ``evaluation.json`` (a JSON
    pointer, RFC 6901). The SHA-256 of ``weights.onnx`` becomes the identity's ``weights_sha256``.

``weights.onnx``
    The network, in one file without external data.

``calibration.json``
    The curve from score to probability, at knots (see :class:`coread.readers.uncertainty.Calibration`)::

        {"score": [-3.1, ...], "probability": [0.02, ...], "lower": [...], "upper": [...], "level": 0.95,
         "calibrated_on": "NIH validation, 400 patients", "abstain": {"lower": 0.35, "upper": 0.5}}

    ``abstain`` must hold the card's threshold; ``lower`` equal to ``upper`` means that the reader never
    abstains.

``evaluation.json``
    What was measured. Three members are required, because the card must not say otherwise::

        {"weights_sha256": "<sha256>", "threshold": 0.41, "explanation_passed": true, ...}

``gate.npz`` and any other file
    The reader's own; arrays without pickled objects.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from coread.domain.bundle import Card
from coread.domain.codes import Code
from coread.domain.reading import ReaderIdentity
from coread.errors import BundleRefused
from coread.readers.uncertainty import DECIMALS, Band, Calibration

CARD = "card.json"
WEIGHTS = "weights.onnx"
CALIBRATION = "calibration.json"
EVALUATION = "evaluation.json"

_FILES = f"{CARD}: files"

EVIDENCE_GRADES = ("human_trial", "retrospective", "simulated", "synthetic")

_GRADES = ", ".join(EVIDENCE_GRADES)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: card, calibration and evaluation agree, and every file is the one that was packed."""

    folder: Path
    card: Card
    calibration: Calibration
    evaluation: Json
    files: Mapping[str, str]
    """SHA-256 of each file beside the card, by name."""

    def weights(self) -> tuple[Path, str]:
        """Path of the network and its SHA-256, as :class:`coread.readers.onnx.Session` wants them."""
        return self.folder / WEIGHTS, self.files[WEIGHTS]

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Arrays of an ``.npz`` file of the bundle, by name; pickled objects are refused.

        Raises
        ------
        BundleRefused
            If the bundle does not hold the file, or it was changed, or it is no plain ``.npz``.
        """
        data = _checked(self.folder, name, self.files)
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as held:
                return {key: held[key] for key in held.files}
        except (ValueError, OSError) as fault:
            raise _refused("a file of no plain arrays", "an .npz file without objects", name) from fault


def open_bundle(folder: Path) -> Bundle:
    """Open a bundle, or refuse it.

    Parameters
    ----------
    folder
        Where it lies.

    Raises
    ------
    BundleRefused
        If a file is missing or is not the one that was packed, or if card, calibration and evaluation
        contradict one another.
    """
    facts = _json(_bytes(folder, CARD), CARD)
    files = _file_hashes(facts)
    held = {name: _checked(folder, name, files) for name in files}
    card = _card(facts, files[WEIGHTS])
    calibration = _calibration(_json(held[CALIBRATION], CALIBRATION))
    evaluation = _json(held[EVALUATION], EVALUATION)
    _agree(card, calibration, evaluation, facts.get("claims", {}))
    return Bundle(folder, card, calibration, evaluation, files)


def _file_hashes(facts: Json) -> dict[str, str]:
    files = facts.get("files")
    required = {WEIGHTS, CALIBRATION, EVALUATION}
    if not isinstance(files, dict) or not required <= files.keys():
        raise _refused("no hash for every file", f"the SHA-256 of {', '.join(sorted(required))}", _FILES)
    if any(Path(name).name != name for name in files):
        raise _refused("a file name with a folder in it", "plain names inside the bundle", _FILES)
    return {str(name): str(digest).lower() for name, digest in files.items()}


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as fault:
        raise _refused("a file that is missing or cannot be read", "a complete bundle", name) from fault


def _checked(folder: Path, name: str, files: Mapping[str, str]) -> bytes:
    if name not in files:
        raise _refused("a file that the card does not name", "one of " + ", ".join(sorted(files)), name)
    data = _bytes(folder, name)
    found = hashlib.sha256(data).hexdigest()
    if found != files[name]:
        raise _refused(f"content of SHA-256 {found[:12]}…", f"SHA-256 {files[name][:12]}… as packed", name)
    return data


def _json(data: bytes, name: str) -> Json:
    try:
        held = json.loads(data)
    except ValueError as fault:
        raise _refused("a file that is no JSON", "a JSON object", name) from fault
    if not isinstance(held, dict):
        raise _refused("JSON that is no object", "a JSON object", name)
    return held


def _card(facts: Json, weights_sha256: str) -> Card:
    try:
        card = _card_of(facts, weights_sha256)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise _refused(f"a card that lacks or garbles {fault}", "every field of the card", CARD) from fault
    gaps = card_gaps(card)
    if gaps:
        raise _refused("a card with gaps: " + "; ".join(gaps), "every field of the card, filled in", CARD)
    return card


def _card_of(facts: Json, weights_sha256: str) -> Card:
    identity = facts["identity"]
    return Card(
        identity=ReaderIdentity(
            str(identity["name"]), str(identity["version"]), str(identity["manufacturer"]), weights_sha256
        ),
        title=str(facts["title"]["en"]),
        title_zh=str(facts["title"]["zh"]),
        intended_use=str(facts["intended_use"]["en"]),
        intended_use_zh=str(facts["intended_use"]["zh"]),
        limits=tuple(map(str, facts["limits"])),
        modalities=tuple(map(str, facts["modalities"])),
        finding=Code(**facts["finding"]),
        threshold=float(facts["threshold"]),
        attribution=tuple(map(str, facts["attribution"])),
        explanation_passed=facts["explanation_passed"] is True,
        evidence_grade=str(facts["evidence_grade"]),
        limits_zh=tuple(map(str, facts["limits_zh"])),
    )


def card_gaps(card: Card) -> list[str]:
    """Say what a card lacks, in words; empty when it is complete in English and Chinese."""
    texts = {
        "name": card.identity.name,
        "version": card.identity.version,
        "manufacturer": card.identity.manufacturer,
        "title (en)": card.title,
        "title (zh)": card.title_zh,
        "intended use (en)": card.intended_use,
        "intended use (zh)": card.intended_use_zh,
        "meaning of the finding (zh)": card.finding.meaning_zh,
    }
    gaps = [f"no {name}" for name, text in texts.items() if not text.strip()]
    gaps += [] if card.limits else ["no limits (en)"]
    gaps += [] if card.limits_zh else ["no limits (zh)"]
    gaps += [] if card.modalities else ["no modalities"]
    gaps += [] if 0 < card.threshold < 1 else ["no threshold between 0 and 1"]
    gaps += [] if card.evidence_grade in EVIDENCE_GRADES else [f"evidence grade none of {_GRADES}"]
    return gaps


def _calibration(facts: Json) -> Calibration:
    try:
        return Calibration(
            score=tuple(map(float, facts["score"])),
            probability=tuple(map(float, facts["probability"])),
            lower=tuple(map(float, facts["lower"])),
            upper=tuple(map(float, facts["upper"])),
            calibrated_on=str(facts["calibrated_on"]),
            band=Band(float(facts["abstain"]["lower"]), float(facts["abstain"]["upper"])),
            level=float(facts["level"]),
        )
    except KeyError as fault:
        raise _refused(f"a calibration without {fault}", "every member of it", CALIBRATION) from fault
    except (TypeError, ValueError) as fault:
        raise _refused(f"a calibration of no use ({fault})", "a monotone curve", CALIBRATION) from fault


def _agree(card: Card, calibration: Calibration, evaluation: Json, claims: Json) -> None:
    """Refuse a card that says what its evaluation does not bear out."""
    sworn = {
        "/weights_sha256": card.identity.weights_sha256,
        "/threshold": card.threshold,
        "/explanation_passed": card.explanation_passed,
        **claims,
    }
    for pointer, said in sworn.items():
        if not _same(said, _at(evaluation, pointer)):
            where = f"{EVALUATION}: {pointer}"
            raise _refused("a card that contradicts its evaluation", "the same value in both", where)
    # The band's ends are rounded as probabilities are; the threshold need not be.
    band, grain = calibration.band, 10**-DECIMALS
    if not band.lower - grain <= card.threshold <= band.upper + grain:
        raise _refused("a threshold outside the abstention band", "lower <= threshold <= upper", CALIBRATION)


def _same(said: object, measured: object) -> bool:
    numbers = (int, float)
    if isinstance(said, numbers) and isinstance(measured, numbers):
        return abs(said - measured) <= 1e-9
    return said == measured


def _at(held: object, pointer: str) -> object:
    """Value at a JSON pointer (RFC 6901), None where there is none."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(held, dict):
            held = held.get(key)
        elif isinstance(held, list) and key.isdigit() and int(key) < len(held):
            held = held[int(key)]
        else:
            return None
    return held


def _refused(found: str, expected: str, where: str) -> BundleRefused:
    return BundleRefused(found, expected, "fetch the bundle again, or pack it anew in the lab", where)
