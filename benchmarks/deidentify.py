"""De-identification measured: headers scored, burned-in text, speed against peers.

    python benchmarks/deidentify.py [--quick] [--only headers,validity,text,peer,speed] [--shard 0/2]

Peers live in environments of their own, named by COREAD_DEID_PYTHON (deid), COREAD_ANON_PYTHON (dicom-anonymizer)
and COREAD_PRESIDIO_PYTHON (presidio-image-redactor); one that is not there is left out, and said so. Frames that were
looked at are kept in the folder COREAD_RUN. The part
``develop`` of the planted frames is for choosing thresholds, ``examine`` is looked at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib.util
import io
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from deidentify_frames import PlantedFrame, planted_frames, score
from deidentify_planting import Planter
from deidentify_scoring import Examiner
from PIL import Image
from provenance import RESULTS, ROOT, keep, provenance

from coread.dicom import data_set_offset, open_object
from coread.governance.deidentify import Deidentified, Deidentifier, Pseudonyms, Refused, load_profile
from coread.governance.deidentify.header import plan_for
from coread.governance.deidentify.pixels.cleaning import Judge, clean_pixels
from coread.governance.deidentify.pixels.image import image_facts
from coread.governance.deidentify.pixels.rapid import RapidText, is_installed
from coread.governance.deidentify.stream import encoding_of, read_elements
from coread.governance.deidentify.texts.known import Facts, Known
from coread.testing import dicom_from_pixels

KEY = b"benchmark key of thirty-two bytes"
RUN = Path(os.environ.get("COREAD_RUN") or tempfile.mkdtemp())
PARTS = ("headers", "validity", "text", "peer", "speed")
#: A name counts as hidden from this share of its pixels on: no reader of text reads what is left.
HIDDEN = 0.95
#: Seed of the frames that are examined; every change of the finder after a look at them needs a fresh one.
EXAMINED = "examine-8"
#: What earlier finders reached on frames of their own, at the commits named.
FORMER_EXAMINATIONS = (
    {"frames": 200, "hidden": 0.97, "above_2_percent": 19, "commit": "da13be96", "looks": "second look where needed"},
    {"frames": 80, "hidden": 0.9875, "above_2_percent": 8, "commit": "da13be96", "looks": "two looks always"},
    {"frames": 200, "hidden": 0.995, "above_2_percent": 8, "commit": "1c58390", "looks": "two looks, the second larger"},
    {"frames": 200, "hidden": 0.98, "above_2_percent": 1, "commit": "cc87ddd", "looks": "two looks, drawn close"},
    {"frames": 111, "hidden": 1.0, "above_2_percent": 1, "commit": "7d8befe", "looks": "four looks; stopped at a wide box"},
    {"frames": 200, "hidden": 0.995, "above_2_percent": 4, "commit": "8c4d0ba", "looks": "four looks, no narrowing"},
    {"frames": 200, "hidden": 0.985, "above_2_percent": 1, "commit": "af089be", "looks": "narrowed along the line too"},
)  # fmt: skip


def real_files() -> list[Path]:
    """Return the DICOM files of pydicom, pydicom-data and deid-data."""
    folders = [Path(pydicom.__file__).parent / "data" / "test_files"]
    for package, inner in (("data_store", "data"), ("deid_data", "data")):
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None:
            folders.append(Path(found.origin).parent / inner)
    return sorted(p for folder in folders for p in folder.rglob("*.dcm"))


def header_deidentifier(name: str = "tcia") -> Deidentifier:
    """Return the header profile: everything but the look at pixels."""
    profile = load_profile(name)
    pixels = dataclasses.replace(profile.pixels, look_at="never")
    return Deidentifier(
        dataclasses.replace(profile, pixels=pixels, faces="flag"), Pseudonyms(KEY, "benchmark")
    )


def interval(passed: int, total: int) -> dict[str, Any]:
    """Give a share with Wilson's 95 % interval."""
    if not total:
        return {"value": None, "lower": None, "upper": None, "n": 0}
    z, p = 1.959964, passed / total
    centre, spread = p + z * z / (2 * total), z * (p * (1 - p) / total + z * z / (4 * total**2)) ** 0.5
    scale = 1 + z * z / total
    return {
        "value": p,
        "lower": max((centre - spread) / scale, 0.0),
        "upper": min((centre + spread) / scale, 1.0),
        "n": total,
    }


# -- headers --------------------------------------------------------------------------------------------


def headers(quick: bool) -> dict[str, Any]:
    """Score the header profile on planted identifiers, MIDI-B's ten checks and three stricter ones."""
    deidentifier = header_deidentifier()
    actions = {tag: str(action) for tag, action in plan_for(deidentifier.profile).actions.items()}
    planter, examiner = Planter(seed=2024, per_file=60), Examiner()
    objects = refused = changed_by_a_second_run = 0
    for turn in range(1 if quick else int(os.environ.get("COREAD_TURNS", "1"))):
        for path in real_files():
            if path.stat().st_size > 3_000_000 and turn:
                continue
            planted = planter.plant(f"{turn}/{path.name}", path.read_bytes(), actions)
            if planted is None:
                continue
            made = deidentifier.deidentify(planted.data)
            objects += 1
            refused += isinstance(made, Refused)
            examiner.mark(planted, made.data if isinstance(made, Deidentified) else None)
            if isinstance(made, Deidentified):
                again = deidentifier.deidentify(made.data)
                changed_by_a_second_run += not (isinstance(again, Deidentified) and again.data == made.data)
    examiner.finish()
    marks = examiner.marks
    passed = sum(marks.passed.values())
    return {
        "objects": objects,
        "refused": refused,
        "score": interval(passed, marks.total),
        "hipaa_failures": marks.hipaa_failures,
        "changed_by_a_second_run": changed_by_a_second_run,
        "by_category": {
            c: {"passed": marks.passed[c], "failed": marks.failed[c]}
            for c in sorted({*marks.passed, *marks.failed})
        },
        "by_check": dict(marks.checks),
        "failures": marks.failures[:50],
        "evidence": "synthetic identifiers planted in real files; own scorer after MIDI-B; checked on one corpus",
        "for_comparison": "ten teams of MIDI-B on its own 322 subjects: 97.91 to 99.93 % (arXiv:2507.23608)",
    }


# -- validity -------------------------------------------------------------------------------------------


def validity(quick: bool) -> dict[str, Any]:
    """Compare dciodvfy's errors before and after, and open every result with pydicom."""
    if shutil.which("dciodvfy") is None:
        return {"left_out": "dciodvfy is not installed"}
    deidentifier = header_deidentifier()
    worse, same, opened, files = [], 0, 0, 0
    for path in real_files()[: 40 if quick else None]:
        if path.stat().st_size > 20_000_000:
            continue
        made = deidentifier.deidentify(path.read_bytes())
        if isinstance(made, Refused):
            continue
        files += 1
        new = sorted(_errors(made.data) - _errors(path.read_bytes()))
        same += not new
        worse += [f"{path.name}: {line}" for line in new]
        opened += _opens(made.data) >= _opens(path.read_bytes())
    return {"files": files, "no_new_error": same, "open_as_before": opened, "new_errors": worse}


def _errors(data: bytes) -> set[str]:
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        file.write(data)
        file.flush()
        outcome = subprocess.run(["dciodvfy", file.name], capture_output=True, check=False)
    lines = (outcome.stdout + outcome.stderr).decode("latin-1").splitlines()
    return {
        re.sub(r"<[^>]*>|= '.*'|\d+ dec|0x[0-9a-f]+|\d+(?:\.\d+){2,}|(?<=InstanceUID )\d+$", "", line)
        for line in lines
        if line.startswith("Error")
    }


def _opens(data: bytes) -> int:
    """Return 2 where the pixels decode, 1 where the header is read, 0 where nothing is."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        list(dataset.iterall())
        return 1 + bool("PixelData" in dataset and dataset.pixel_array.size)
    except Exception:  # noqa: BLE001 - broken files of the corpus
        return 0


# -- burned-in text -------------------------------------------------------------------------------------


def text(quick: bool) -> dict[str, Any]:
    """Find planted names in 200 frames, and all text of deid-data's ultrasound."""
    if not is_installed():
        return {"left_out": "rapidocr is not installed"}
    rows = looked_at(EXAMINED, 40 if quick else int(os.environ.get("COREAD_FRAMES", "200")), (0, 1))
    return {
        "finder": RapidText().name,
        "part": EXAMINED,
        **_text_figures(rows),
        "ultrasound": real_ultrasound(RapidText(), quick),
        "former_examinations": FORMER_EXAMINATIONS,
    }


def looked_at(
    part: str, count: int, shard: tuple[int, int], limit_s: float = math.inf
) -> list[dict[str, Any]]:
    """Look at every frame of a shard that the run's folder does not hold yet; return the rows of all.

    ``--shard 0/2`` and ``--shard 1/2`` side by side do half each; killed, or at its limit of time, it goes on
    where it was.
    """
    begun = time.monotonic()
    finder = RapidText()
    finder.find(np.zeros((480, 640), np.uint8))
    for number, planted in enumerate(planted_frames(part, count)):
        kept = RUN / f"{part}-{number:04d}.json"
        if number % shard[1] != shard[0] or kept.is_file():
            continue
        if time.monotonic() - begun > limit_s:
            break
        started, busy = time.perf_counter(), time.process_time()
        mask = blanked_mask(planted.frame, finder)
        times = {"seconds": time.perf_counter() - started, "processor_seconds": time.process_time() - busy}
        Image.fromarray(mask).save(kept.with_suffix(".png"))
        kept.write_text(json.dumps(times))
        print(f"\r{number + 1} of {count} frames", end="", file=sys.stderr, flush=True)
    return list(_scored(part, count))


def _scored(part: str, count: int) -> Iterator[dict[str, Any]]:
    """Score what was kept of each frame that was looked at."""
    for number, planted in enumerate(planted_frames(part, count)):
        kept = RUN / f"{part}-{number:04d}.json"
        if kept.is_file():
            mask = np.asarray(Image.open(kept.with_suffix(".png"))) > 0
            yield {**score(planted, mask), **json.loads(kept.read_text())}


def blanked_mask(frame: np.ndarray, finder: RapidText) -> np.ndarray:
    """Return what the whole de-identification of a secondary capture of this frame blanks, bool [row, column]."""
    data = dicom_from_pixels(frame, modality="OT")
    elements = read_elements(data, data_set_offset(data), encoding_of("1.2.840.10008.1.2.1"))
    image = image_facts(elements, "1.2.840.10008.1.2.1")
    assert image is not None
    judge = Judge(finder, Known(Facts()), keeps_harmless=True)
    found = clean_pixels(elements, image, open_object(data), {}, judge)
    return found.mask if found.mask is not None else np.zeros(frame.shape[:2], bool)


def _text_figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    groups: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for key in ("script", "size_px", "contrast", "rotation"):
            groups[key][str(row[key])].append(row["covered"] >= HIDDEN)
    beside = [row["beside"] for row in rows]
    return {
        "frames": len(rows),
        "recall": interval(sum(row["covered"] >= HIDDEN for row in rows), len(rows)),
        "recall_by": {
            key: {name: interval(sum(hits), len(hits)) for name, hits in kinds.items()}
            for key, kinds in groups.items()
        },
        "changed_beside_text": {
            "mean": statistics.mean(beside),
            "p95": float(np.quantile(beside, 0.95)),
            "max": max(beside),
            "frames_above_2_percent": sum(b > 0.02 for b in beside),
            "mean_with_the_backgrounds_own_text": statistics.mean(row["beside_the_name"] for row in rows),
        },
        **{
            f"{kind}_per_frame": {
                "median": statistics.median(row[kind] for row in rows),
                "p95": float(np.quantile([row[kind] for row in rows], 0.95)),
            }
            for kind in ("seconds", "processor_seconds")
            if kind in rows[0]
        },
        "missed": [row for row in rows if row["covered"] < HIDDEN],
        "evidence": "synthetic names on real images; one OCR program; thresholds chosen on other frames",
    }


def real_ultrasound(finder: RapidText, quick: bool) -> dict[str, Any]:
    """De-identify deid-data's ultrasound whole, and count what is changed."""
    profile = load_profile("tcia")
    deidentifier = Deidentifier(profile, Pseudonyms(KEY, "benchmark"), finder)
    figures = {}
    for path in real_files():
        largest = 5 if quick else float(os.environ.get("COREAD_LARGEST_MB", "100"))
        if "ultrasounds" not in path.parts or path.stat().st_size > largest * 1e6:
            continue
        started = time.perf_counter()
        made = deidentifier.deidentify(path.read_bytes())
        seconds = time.perf_counter() - started
        if isinstance(made, Refused):
            figures[path.name] = {"refused": made.reason}
            continue
        found = made.pixels
        assert found is not None
        after = open_object(made.data)
        left = [
            t.text
            for t in finder.find(after.rendered(1))
            if not profile.pixels.keep_harmless_words or len(t.text) > 12
        ]
        figures[path.name] = {
            "frames": after.number_of_frames,
            "texts_blanked": len(found.texts),
            "texts_left_as_harmless": len(found.left),
            "long_texts_found_afterwards": len(left),
            "share_of_frame_blanked": float(found.mask.mean()) if found.mask is not None else 0.0,
            "seconds": seconds,
        }
    return figures


# -- peer for text --------------------------------------------------------------------------------------

_PRESIDIO = """
import json, os, sys, time
import numpy as np
import pydicom
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider
from presidio_image_redactor import DicomImageRedactorEngine, ImageAnalyzerEngine
model = os.environ.get("COREAD_SPACY_MODEL", "en_core_web_lg")
models = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
analyzer = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=models).create_engine())
engine = DicomImageRedactorEngine(image_analyzer_engine=ImageAnalyzerEngine(analyzer_engine=analyzer))
for name in sys.argv[1:]:
    if os.path.exists(name + ".json"):
        continue
    image = pydicom.dcmread(name)
    started, busy = time.perf_counter(), time.process_time()
    after = engine.redact(image, fill="contrast", ocr_kwargs={"lang": "eng+chi_sim"})
    seconds = time.perf_counter() - started
    np.save(name + ".npy", after.pixel_array != image.pixel_array)
    json.dump(seconds, open(name + ".json", "w"))
"""


def peer(quick: bool) -> dict[str, Any]:
    """Let presidio-image-redactor redact the same frames, each with the planted name in its header."""
    python = os.environ.get("COREAD_PRESIDIO_PYTHON", "")
    if not python or not Path(python).exists():
        return {"left_out": "COREAD_PRESIDIO_PYTHON names no Python with presidio-image-redactor"}
    count = int(os.environ.get("COREAD_PRESIDIO_FRAMES", "40" if quick else "200"))
    planted = list(planted_frames(EXAMINED, count))
    folder = RUN / f"presidio-{EXAMINED}"
    folder.mkdir(exist_ok=True)
    names = [_saved(folder, number, frame) for number, frame in enumerate(planted)]
    waiting = [name for name in names if not Path(f"{name}.json").is_file()]
    outcome = subprocess.run(
        [python, "-c", _PRESIDIO if waiting else "", *waiting], capture_output=True, text=True, check=False
    )
    if outcome.returncode:
        return {"left_out": outcome.stderr.strip().splitlines()[-1] if outcome.stderr else "failed"}
    rows = [
        {**score(p, np.load(f"{name}.npy")), "seconds": json.loads(Path(f"{name}.json").read_text())}
        for p, name in zip(planted, names, strict=True)
    ]
    model = os.environ.get("COREAD_SPACY_MODEL", "en_core_web_lg")
    return {
        "peer": "presidio-image-redactor 0.0.62, tesseract 5.3 eng+chi_sim",
        "model": model,
        **_text_figures(rows),
    }


def _saved(folder: Path, number: int, planted: PlantedFrame) -> str:
    path = folder / f"{number:04d}.dcm"
    facts = {"PatientName": planted.name, "PatientID": f"MRN{number:07d}"}
    path.write_bytes(dicom_from_pixels(planted.frame, modality="OT", facts=facts))
    return str(path)


# -- speed ----------------------------------------------------------------------------------------------

_DEID = """
import json, sys, time, logging
from deid.config import DeidRecipe
from deid.dicom import get_identifiers, replace_identifiers
import deid.logger
files, out = json.load(open(sys.argv[1])), sys.argv[2]
recipe = DeidRecipe()
started, busy = time.perf_counter(), time.process_time()
done = 0
for name in files:
    try:
        replace_identifiers(dicom_files=[name], deid=recipe, save=True, output_folder=out, overwrite=True, force=True)
        done += 1
    except Exception as fault:
        pass
print("FIGURES" + json.dumps([time.perf_counter() - started, time.process_time() - busy, done]))
"""
_ANON = """
import json, sys, time, os
from dicomanonymizer import anonymize_dicom_file
files, out = json.load(open(sys.argv[1])), sys.argv[2]
started, busy = time.perf_counter(), time.process_time()
done = 0
for name in files:
    try:
        anonymize_dicom_file(name, os.path.join(out, os.path.basename(name)))
        done += 1
    except Exception as fault:
        pass
print("FIGURES" + json.dumps([time.perf_counter() - started, time.process_time() - busy, done]))
"""


def speed(quick: bool) -> dict[str, Any]:
    """De-identify the headers of 1,000 files, one process each, turn by turn with the peers."""
    count = 100 if quick else 1000
    with tempfile.TemporaryDirectory() as place:
        files = list(_thousand(Path(place) / "in", count))
        listed = Path(place) / "files.json"
        listed.write_text(json.dumps([str(p) for p in files]))
        figures: dict[str, Any] = {"files": len(files), "bytes": sum(p.stat().st_size for p in files)}
        turns: dict[str, list[dict[str, float]]] = defaultdict(list)
        for turn in range(1 if quick else int(os.environ.get("COREAD_TURNS", "3"))):
            # Each into a folder of its own, so that nobody writes over what lies there: nobody syncs to disk.
            turns["coread"].append(_ours(files, Path(place) / f"ours-{turn}"))
            for name, script, variable in (
                ("deid", _DEID, "COREAD_DEID_PYTHON"),
                ("dicom-anonymizer", _ANON, "COREAD_ANON_PYTHON"),
            ):
                out = Path(place) / f"{name}-{turn}"
                turns[name].append(_theirs(script, os.environ.get(variable, ""), listed, out))
                shutil.rmtree(out, ignore_errors=True)
            shutil.rmtree(Path(place) / f"ours-{turn}")
        figures["turns"] = dict(turns)
        for name, runs in turns.items():
            if all("files_per_s" in run for run in runs):
                figures[name] = {
                    kind: statistics.median(run[kind] for run in runs)
                    for kind in ("files_per_s", "processor_ms_per_file", "done")
                }
        for name in ("deid", "dicom-anonymizer"):
            if name in figures:
                figures[f"times_{name}"] = {
                    "by_clock": figures["coread"]["files_per_s"] / figures[name]["files_per_s"],
                    "by_processor_time": figures[name]["processor_ms_per_file"]
                    / figures["coread"]["processor_ms_per_file"],
                }
    return figures


def _thousand(folder: Path, count: int) -> Iterator[Path]:
    """Write copies of real files under new UIDs and persons, so that nothing can be remembered from one to the next."""
    folder.mkdir(parents=True)
    sources = [p for p in real_files() if 2_000 < p.stat().st_size < 700_000]
    number = 0
    while number < count:
        for path in sources:
            try:
                dataset = pydicom.dcmread(path)
                dataset.PatientName, dataset.PatientID = (
                    f"Quillfeather^N{number // 20}",
                    f"MRN{number // 20:07d}",
                )
                dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{number}"
                dataset.save_as(folder / f"{number:05d}.dcm")
            except Exception:  # noqa: BLE001 - a file of the corpus that pydicom cannot write
                continue
            yield folder / f"{number:05d}.dcm"
            number += 1
            if number == count:
                return


def _ours(files: list[Path], out: Path) -> dict[str, float]:
    out.mkdir(exist_ok=True)
    deidentifier = header_deidentifier()
    started, busy, done = time.perf_counter(), time.process_time(), 0
    for path in files:
        made = deidentifier.deidentify(path.read_bytes())
        if isinstance(made, Deidentified):
            (out / path.name).write_bytes(made.data)
            done += 1
    return _rate(time.perf_counter() - started, time.process_time() - busy, done, len(files))


def _rate(seconds: float, busy: float, done: int, count: int) -> dict[str, float]:
    figures = {"seconds": seconds, "processor_seconds": busy, "done": done, "files_per_s": count / seconds}
    return {**figures, "processor_ms_per_file": 1000 * busy / count}


def _theirs(script: str, python: str, listed: Path, out: Path) -> dict[str, Any]:
    if not python or not Path(python).exists():
        return {"left_out": 1.0}
    out.mkdir(exist_ok=True)
    outcome = subprocess.run(
        [python, "-c", script, str(listed), str(out)], capture_output=True, text=True, check=False
    )
    if outcome.returncode or "FIGURES" not in outcome.stdout:
        return {"failed": outcome.stderr.strip().splitlines()[-1:]}
    seconds, busy, done = json.loads(outcome.stdout.rsplit("FIGURES", 1)[1])
    return _rate(seconds, busy, done, len(json.loads(listed.read_text())))


def corpus_hash() -> str:
    """Return the hash over the names and bytes of the real files."""
    digest = hashlib.sha256()
    for path in real_files():
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def main() -> None:
    """Measure, print, keep; parts that were not asked for keep their former figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--shard", help="0/2: only look at every second frame, from the first on")
    parser.add_argument("--part", default=EXAMINED, help="seed of the frames; develop… for choosing")
    parser.add_argument("--limit-s", type=float, default=math.inf, help="with --shard: stop after so long")
    arguments = parser.parse_args()
    RUN.mkdir(parents=True, exist_ok=True)
    if arguments.shard:
        first, of = map(int, arguments.shard.split("/"))
        count = int(os.environ.get("COREAD_FRAMES", "200"))
        rows = looked_at(arguments.part, count, (first, of), arguments.limit_s)
        print(f"\n{len(rows)} of {count} frames", json.dumps(_text_figures(rows) if rows else {}))
        return
    former = RESULTS / "deidentify.json"
    result = json.loads(former.read_text()) if former.is_file() and not arguments.quick else {}
    for part in arguments.only.split(","):
        started = time.perf_counter()
        figures = globals()[part](arguments.quick)
        result[part] = {**figures, "took_s": round(time.perf_counter() - started, 1), **_when()}
        shown = {key: value for key, value in figures.items() if key not in {"failures", "missed", "turns"}}
        print(f"\n{part}: {json.dumps(shown)}", *figures.get("failures", [])[:20], sep="\n")
    if not arguments.quick:
        result = {
            "benchmark": "deidentify",
            **provenance("pydicom"),
            "corpus_sha256": corpus_hash(),
            **result,
        }
        path = keep("deidentify", result)
        print(path.relative_to(ROOT))


def _when() -> dict[str, Any]:
    made = provenance("pydicom")
    return {"at": made["at"], "commit": made["commit"], "machine": made["machine"]}


if __name__ == "__main__":
    main()
