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
         "calibrated_on": "NIH validation, 400 patients", "calibrated_on_zh": "NIH 验证集，400 例患者",
         "abstain": {"lower": 0.35, "upper": 0.5}}

    ``calibrated_on_zh`` may be missing: Chinese pages then show the English words.

    ``abstain`` must hold the card's threshold; ``lower`` equal to ``upper`` means that the reader never
    abstains.

``evaluation.json``
    What was measured. Three members are required, because the card must not say otherwise::

        {"weights_sha256": "<sha256>", "threshold": 0.41, "explanation_passed": true, ...}

``gate.npz`` and any other file
    The reader's own; arrays without pickled objects.

That is format 1, of a reader that states one finding with one network. Format 2 carries several of both, and
readers that answer where a doctor points to. It differs in this:

``card.json``
    Instead of ``finding``, ``threshold`` and ``explanation_passed``, a list, the main finding first, and the
    inputs of every network, null where any size will do; ``prompt`` for a reader that can be asked::

        {"format": 2,
         "findings": [
             {"code": {"value": "27925004", "scheme": "SCT", "meaning": "Nodule", "meaning_zh": "..."},
              "threshold": 0.5, "explanation_passed": false}],
         "networks": {"weights.onnx": {"inputs": {"image": [null, 1, 64, 64]}}},
         "prompt": {"points": true, "boxes": true, "reach_mm": 40.0}, ...}

    With further networks beside ``weights.onnx`` the identity's ``weights_sha256`` is that of all of them
    (:func:`weights_digest`).

``calibration.json``
    One curve for each finding by its code value: ``{"findings": {"27925004": {"score": [...], ...}}}``.

``evaluation.json``
    Requires ``weights_sha256``, and ``threshold`` and ``explanation_passed`` of each finding::

        {"weights_sha256": "<sha256>",
         "findings": {"27925004": {"threshold": 0.5, "explanation_passed": false}}, ...}
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coread.domain.bundle import Card, Declared, Prompting
from coread.domain.codes import Code
from coread.domain.reading import ReaderIdentity
from coread.errors import BundleRefused
from coread.readers.contract import Machine
from coread.readers.uncertainty import DECIMALS, Band, Calibration

if TYPE_CHECKING:
    from coread.readers.onnx import Session

FORMATS = (1, 2)

#: No file of a bundle, and no arrays in one, are larger: they are held in memory.
MOST_FILE_BYTES = 1 << 30

CARD = "card.json"
WEIGHTS = "weights.onnx"
CALIBRATION = "calibration.json"
EVALUATION = "evaluation.json"

_FILES = f"{CARD}: files"
_NETWORK = ".onnx"

EVIDENCE_GRADES = ("human_trial", "retrospective", "simulated", "synthetic")

#: A reader that needs more of a volume than this to either side of a place reads the whole series instead.
MOST_REACH_MM = 200.0

_GRADES = ", ".join(EVIDENCE_GRADES)

Json = Mapping[str, Any]
Shapes = Mapping[str, tuple[int | None, ...]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: card, calibration and evaluation agree, and every file is the one that was packed."""

    folder: Path
    card: Card
    calibration: Calibration
    evaluation: Json
    files: Mapping[str, str]
    """SHA-256 of each file beside the card, by name."""
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    """Calibration of each finding by its code value."""
    networks: Mapping[str, Shapes] = field(default_factory=dict)
    """Declared shape of each input of each network, by file name; empty in format 1."""

    def weights(self) -> tuple[Path, str]:
        """Path of the network and its SHA-256, as :class:`coread.readers.onnx.Session` wants them."""
        return self.folder / WEIGHTS, self.files[WEIGHTS]

    def session(self, name: str = WEIGHTS, threads: int = 1, memory_mb: int = Machine().memory_mb) -> Session:
        """Load a network of the bundle; if it does not come with CoRead, into a process of its own.

        Parameters
        ----------
        name
            Of its file.
        threads, memory_mb
            What the machine lends it.

        Raises
        ------
        BundleRefused
            If the bundle does not hold it, or it was changed, or its inputs are not those that the card
            declares.
        """
        from coread.readers.onnx import Session  # noqa: PLC0415 - heavy; a card is read without it

        if name not in self.files:
            raise _refused("a network that the card does not name", "one of its files", name)
        made = Session(self.folder / name, self.files[name], threads, memory_mb=memory_mb)
        declared = self.networks.get(name)
        if declared is not None and dict(declared) != made.inputs:
            raise _refused(f"a network with the inputs {made.inputs}", f"{dict(declared)} as declared", name)
        return made

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Arrays of an ``.npz`` file of the bundle, by name; pickled objects are refused.

        Raises
        ------
        BundleRefused
            If the bundle does not hold the file, or it was changed, or it is no plain ``.npz``.
        """
        data = _checked(self.folder, name, self.files)
        try:
            _check_unpacked(data, name)
            with np.load(io.BytesIO(data), allow_pickle=False) as held:
                return {key: held[key] for key in held.files}
        except (ValueError, OSError, zipfile.BadZipFile) as fault:
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
    if facts.get("format", 1) not in FORMATS:
        known = " or ".join(map(str, FORMATS))
        raise _refused(f"a bundle of format {facts['format']!r}", f"format {known}", f"{CARD}: format")
    files = _file_hashes(facts)
    held = {name: _checked(folder, name, files) for name in files}
    is_first = facts.get("format", 1) == 1
    card = _card(facts, files[WEIGHTS] if is_first else weights_digest(files))
    curves = _calibrations(card, _json(held[CALIBRATION], CALIBRATION))
    evaluation = _json(held[EVALUATION], EVALUATION)
    _agree(card, curves, evaluation, facts.get("claims", {}))
    main = curves[card.finding.value]
    return Bundle(folder, card, main, evaluation, files, curves, _networks(facts, files))


def weights_digest(files: Mapping[str, str]) -> str:
    """Return the digest that names the weights of a reader.

    Parameters
    ----------
    files
        SHA-256 of each file of the bundle, by name.

    Returns
    -------
    str
        That of ``weights.onnx``; where there are further networks, that of the lines ``<name> <sha256>`` of
        all of them, sorted by name.
    """
    networks = sorted(name for name in files if name.endswith(_NETWORK))
    if networks == [WEIGHTS]:
        return files[WEIGHTS]
    lines = "".join(f"{name} {files[name]}\n" for name in networks)
    return hashlib.sha256(lines.encode()).hexdigest()


def _networks(facts: Json, files: Mapping[str, str]) -> dict[str, Shapes]:
    """Return the declared inputs of every network."""
    if facts.get("format", 1) == 1:
        return {}
    held = facts.get("networks")
    if not isinstance(held, dict) or set(held) != {name for name in files if name.endswith(_NETWORK)}:
        raise _refused("a card that does not declare each network", "the inputs of each", f"{CARD}: networks")
    try:
        return {name: _shapes(network["inputs"]) for name, network in held.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise _refused(
            "inputs that are no shapes", "a list of sizes for each", f"{CARD}: networks"
        ) from fault


def _shapes(inputs: Json) -> Shapes:
    if not inputs:
        raise ValueError("no input")
    return {
        str(name): tuple(None if size is None else int(size) for size in sizes)
        for name, sizes in inputs.items()
    }


def _file_hashes(facts: Json) -> dict[str, str]:
    files = facts.get("files")
    required = {WEIGHTS, CALIBRATION, EVALUATION}
    if not isinstance(files, dict) or not required <= files.keys():
        raise _refused("no hash for every file", f"the SHA-256 of {', '.join(sorted(required))}", _FILES)
    if any(Path(name).name != name for name in files):
        raise _refused("a file name with a folder in it", "plain names inside the bundle", _FILES)
    return {str(name): str(digest).lower() for name, digest in files.items()}


def _check_unpacked(data: bytes, name: str) -> None:
    """Refuse arrays that unpack to more than a bundle may hold."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        size = sum(entry.file_size for entry in packed.infolist())
    if size > MOST_FILE_BYTES:
        raise _refused(f"arrays of {size >> 20} MiB", f"at most {MOST_FILE_BYTES >> 20} MiB", name)


def _bytes(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if path.is_symlink() or path.stat().st_size > MOST_FILE_BYTES:
            raise _refused("a link, or a file beyond all measure", "a plain file of the bundle", name)
        return path.read_bytes()
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
    identity, declared = facts["identity"], _declared(facts)
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
        finding=declared[0].code,
        threshold=declared[0].threshold,
        attribution=tuple(map(str, facts["attribution"])),
        explanation_passed=declared[0].explanation_passed,
        evidence_grade=str(facts["evidence_grade"]),
        limits_zh=tuple(map(str, facts["limits_zh"])),
        findings=() if facts.get("format", 1) == 1 else declared,
        prompt=_prompting(facts.get("prompt")),
    )


def _declared(facts: Json) -> tuple[Declared, ...]:
    """Return the findings of a card of any format, the main one first."""
    if facts.get("format", 1) == 1:
        one = Code(**facts["finding"]), float(facts["threshold"]), facts["explanation_passed"] is True
        return (Declared(*one),)
    found = tuple(
        Declared(Code(**item["code"]), float(item["threshold"]), item["explanation_passed"] is True)
        for item in facts["findings"]
    )
    if not found:
        raise ValueError("findings")
    return found


def _prompting(held: Json | None) -> Prompting | None:
    if held is None:
        return None
    return Prompting(held["points"] is True, held["boxes"] is True, float(held["reach_mm"]))


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
        **{f"meaning of {d.code.meaning} (zh)": d.code.meaning_zh for d in card.findings[1:]},
    }
    gaps = [f"no {name}" for name, text in texts.items() if not text.strip()]
    gaps += [] if card.limits else ["no limits (en)"]
    gaps += [] if card.limits_zh else ["no limits (zh)"]
    gaps += [] if card.modalities else ["no modalities"]
    gaps += [] if 0 < card.threshold < 1 else ["no threshold between 0 and 1"]
    gaps += [
        f"no threshold of {d.code.meaning} between 0 and 1"
        for d in card.findings[1:]
        if not 0 < d.threshold < 1
    ]
    gaps += _disagreements(card)
    gaps += [] if card.evidence_grade in EVIDENCE_GRADES else [f"evidence grade none of {_GRADES}"]
    return gaps


def _disagreements(card: Card) -> list[str]:
    """Say where the main finding, the list of findings and the prompt contradict one another."""
    main = card.all_findings[0]
    is_main = (main.code, main.threshold, main.explanation_passed) == (
        card.finding,
        card.threshold,
        card.explanation_passed,
    )
    codes = [declared.code.value for declared in card.all_findings]
    prompt = card.prompt
    can_be_asked = prompt is None or (
        (prompt.points or prompt.boxes) and 0 <= prompt.reach_mm <= MOST_REACH_MM
    )
    return [
        *([] if is_main else ["the first of the findings is not the main one"]),
        *([] if len(set(codes)) == len(codes) else ["one finding declared twice"]),
        *([] if can_be_asked else [f"a prompt without point or box, or a reach beyond {MOST_REACH_MM:g} mm"]),
    ]


def _calibrations(card: Card, facts: Json) -> dict[str, Calibration]:
    """Return the curve of every declared finding, by code value."""
    if not card.findings:
        return {card.finding.value: _calibration(facts)}
    held = facts.get("findings")
    codes = [declared.code.value for declared in card.findings]
    if not isinstance(held, dict) or set(held) != set(codes):
        raise _refused("calibrations that are not those of the card's findings", "one for each", CALIBRATION)
    return {value: _calibration(held[value]) for value in codes}


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
            calibrated_on_zh=str(facts.get("calibrated_on_zh", "")),
        )
    except KeyError as fault:
        raise _refused(f"a calibration without {fault}", "every member of it", CALIBRATION) from fault
    except (TypeError, ValueError) as fault:
        raise _refused(f"a calibration of no use ({fault})", "a monotone curve", CALIBRATION) from fault


def _agree(card: Card, curves: Mapping[str, Calibration], evaluation: Json, claims: Json) -> None:
    """Refuse a card that says what its evaluation does not bear out."""
    sworn: dict[str, object] = {"/weights_sha256": card.identity.weights_sha256}
    for declared in card.all_findings:
        place = f"/findings/{_token(declared.code.value)}" if card.findings else ""
        sworn[f"{place}/threshold"] = declared.threshold
        sworn[f"{place}/explanation_passed"] = declared.explanation_passed
    for pointer, said in {**sworn, **claims}.items():
        if not _same(said, _at(evaluation, pointer)):
            where = f"{EVALUATION}: {pointer}"
            raise _refused("a card that contradicts its evaluation", "the same value in both", where)
    # The band's ends are rounded as probabilities are; the threshold need not be.
    grain = 10**-DECIMALS
    for declared in card.all_findings:
        band = curves[declared.code.value].band
        if not band.lower - grain <= declared.threshold <= band.upper + grain:
            found = "a threshold outside the abstention band"
            raise _refused(found, "lower <= threshold <= upper", CALIBRATION)


def _token(text: str) -> str:
    """Write a name as a token of a JSON pointer (RFC 6901)."""
    return text.replace("~", "~0").replace("/", "~1")


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
