"""Run the lab's studies and write the page that shows their figures.

    python benchmarks/lab.py [--quick] [--data DATA] [--out OUT] [--again] [--page] [--list] [NAME ...]

A study is a function ``study(data, out, quick, progress) -> dict`` that its owner names in `STUDIES`. It keeps
what it needs to go on in ``out``; a killed study is gone on from by the same command, a finished one is not
run again unless ``--again`` is given. Each runs in a process of its own, so that one that fails does not stop
the next.

What a study returns is kept as ``benchmarks/results/<name>.json`` with command, commit, data hash and
machine. The page ``docs/lab_results.md`` shows its members:

``title``, ``evidence_grade``
    One line; one of human_trial, retrospective, simulated, synthetic.
``rows``
    One line of the table each: ``{"what": "...", "figure": {"value", "lower", "upper", "n"}, "baseline":
    {the same, or none}, "baseline_name": "...", "goal": ">= 0.95", "met": true | false | none, "note": "..."}``
``did_not_work``
    Sentences about what was tried and did not help.

``--quick`` runs everything small, in minutes. Its figures are for trying the machinery: they are kept in
``OUT/quick`` and never replace those of the page.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from provenance import RESULTS, ROOT, keep, provenance
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Study = Callable[[Path, Path, bool, Callable[[str, float], None]], dict[str, Any]]

STUDIES: dict[str, str] = {
    # name of the result: "module:function", one line each, in the order of the page
    "cohorts": "coread.learning.cohorts.selecting.study:study",
    "weak_supervision": "coread.learning.weak.study:study",
    "nodule_malignancy": "coread.learning.nodule.rating.malignancy:study",
    "blood_smear": "coread.learning.blood.study:study",
    "transfer": "coread.learning.transfer_study.study:study",
    "transfer_shares": "coread.learning.transfer_study.study:study_of_all_shares",
    "transfer_larger": "coread.learning.transfer_study.larger.study:study",
    "transfer_larger_shares": "coread.learning.transfer_study.larger.study:study_of_all_shares",
    "chest_sites": "coread.learning.chest.sites.study:study",
    "causal_audit": "coread.learning.causal.study:study",
    "explanations": "coread.learning.explaining.study:study",
    "fusion": "coread.learning.fusion.study:study",
    "conformal": "coread.learning.uncertainty.conformal_study:study",
    "ood": "coread.learning.uncertainty.novelty_study:study",
    "robustness": "coread.learning.uncertainty.robustness_study:study",
    "federation_vendors": "coread.learning.federated.studies.vendors:study",
    "federation_sources": "coread.learning.federated.studies.sources:study",
    "federation_privacy": "coread.learning.federated.studies.privacy:study",
    "federation_contribution": "coread.learning.federated.studies.contribution:study",
}

PAGE = ROOT / "docs" / "lab_results.md"

console = Console()


def main() -> int:
    """Run the named studies, or all; the number of those that failed."""
    asked = _arguments()
    if asked.list:
        console.print("\n".join(f"{name}: {where}" for name, where in STUDIES.items()))
        return 0
    if asked.one:
        run_one(asked.one, asked)
        return 0
    names = [] if asked.page else asked.names or list(STUDIES)
    unknown = [name for name in names if name not in STUDIES]
    if unknown:
        console.print(f"no study named {', '.join(unknown)}; there are: {', '.join(STUDIES)}")
        return len(unknown)
    failed = [name for name in names if _in_process_of_its_own(name, asked)]
    write_page(PAGE if not asked.quick else asked.out / "quick" / "lab_results.md", _kept(asked))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The lab's studies.")
    parser.add_argument("names", nargs="*", help="studies to run; all if none is named")
    parser.add_argument("--quick", action="store_true", help="small, in minutes; figures mean nothing")
    parser.add_argument("--again", action="store_true", help="run finished studies again")
    parser.add_argument("--page", action="store_true", help="run nothing, write the page of what is kept")
    parser.add_argument("--list", action="store_true", help="list the studies")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    shared = Path(os.environ.get("COREAD_SHARED_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=shared, help="folder of the published image sets")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "lab", help="folder to go on from")
    return parser.parse_args()


def _in_process_of_its_own(name: str, asked: argparse.Namespace) -> int:
    console.rule(name)
    flags = [f"--{flag}" for flag in ("quick", "again") if getattr(asked, flag)]
    command = [sys.executable, __file__, "--one", name, "--data", str(asked.data), "--out", str(asked.out)]
    return subprocess.run([*command, *flags], check=False).returncode


def run_one(name: str, asked: argparse.Namespace) -> None:
    """Run one study unless it is finished, and keep its result."""
    folder = asked.out / ("quick" if asked.quick else "full") / name
    finished = folder / "finished.json"
    if finished.exists() and not asked.again:
        console.print(f"{name}: finished before; --again runs it anew")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        partial = finished.with_suffix(".partial")
        partial.write_text(json.dumps(_studied(name, asked, folder), indent=1, ensure_ascii=False) + "\n")
        partial.replace(finished)
    if not asked.quick:
        keep(name, json.loads(finished.read_text()))


def _studied(name: str, asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    module, _, function = STUDIES[name].partition(":")
    study: Study = getattr(import_module(module), function)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    began = time.monotonic()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=1.0)
        result = study(
            asked.data,
            folder,
            asked.quick,
            lambda text, share: progress.update(task, completed=share, description=f"{name}: {text}"),
        )
    origin = {
        **provenance("torch", "numpy", "scipy"),
        "command": f"python benchmarks/lab.py {'--quick ' if asked.quick else ''}{name}",
        "data_sha256": hashlib.sha256((asked.data / "SHA256SUMS").read_bytes()).hexdigest(),
        "seconds_of_the_last_process": round(time.monotonic() - began),
    }
    return {"name": name, "quick": asked.quick, **result, "origin": origin}


def _kept(asked: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The results at hand, by study: kept ones, or with --quick those of the quick runs."""
    place = asked.out / "quick" if asked.quick else RESULTS
    paths = {name: place / (f"{name}/finished.json" if asked.quick else f"{name}.json") for name in STUDIES}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


_HEAD = """# The lab's figures

Made by `make bench-lab` from `benchmarks/results/`. Unless a line says otherwise, figures are from test patients
who took no part in training or in the choice of any threshold; intervals are 95 %. "Goal" is what was set before;
where it was not met it says no. Sets are public copies (see each card): none of this is evidence from a clinic.
"""


def write_page(path: Path, results: Mapping[str, dict[str, Any]]) -> None:
    """Write the page of all results."""
    lines = [_HEAD]
    for name, result in results.items():
        lines += [f"## {result.get('title', name)}", ""]
        lines += [f"Evidence: {result.get('evidence_grade', 'not stated')}. `{result['origin']['command']}`,"]
        lines += [f"commit {result['origin']['commit']}.", ""]
        lines += ["| what | figure (95 %) | n | baseline | goal | met |", "|---|---|---|---|---|---|"]
        lines += [_line(row) for row in result.get("rows", [])]
        lines += ["", *(f"- Did not work: {text}" for text in result.get("did_not_work", [])), ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    console.print(f"written: {path}")


def _line(row: Mapping[str, Any]) -> str:
    figure, baseline = row.get("figure") or {}, row.get("baseline")
    met = {True: "yes", False: "**no**", None: ""}[row.get("met")]
    beside = f"{row.get('baseline_name', '')} {_figure(baseline)}".strip() if baseline else ""
    what = row["what"] + (f" ({row['note']})" if row.get("note") else "")
    return (
        f"| {what} | {_figure(figure)} | {figure.get('n', '')} | {beside} | {row.get('goal', '')} | {met} |"
    )


def _figure(figure: Mapping[str, Any]) -> str:
    value, lower, upper = (figure.get(key) for key in ("value", "lower", "upper"))
    if value is None:
        return "not measurable"
    return f"{value:.3f}" + (f" ({lower:.3f} to {upper:.3f})" if lower is not None else "")


if __name__ == "__main__":
    sys.exit(main())
