"""Write ``docs/benchmarks.md`` from the JSON of the last runs: tables first, then how they were made."""

from __future__ import annotations

import json
from typing import Any

import chest_page
from provenance import RESULTS, ROOT

PAGE = ROOT / "docs" / "benchmarks.md"

_HEAD = """# Benchmarks

`make bench` runs everything on this page and writes it; `make bench-quick` does so with fewer repeats. A comparison is made
in the same run on the same machine, in turn, and told as a ratio of medians. Peers are Debian's packages; Orthanc 1.10.1 is
of 2022. Numbers of one small machine, not always idle: read the ratios, not the absolute values.
"""


def load(name: str) -> dict[str, Any] | None:
    """Read one benchmark's result, if it was ever run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def table(headings: list[str], rows: list[list[object]]) -> list[str]:
    """Make a Markdown table."""
    head = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return [*head, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows), ""]


def made(result: dict[str, Any]) -> list[str]:
    """Say how a result was made."""
    machine = result["machine"]
    return [
        f"*`{result['command']}` at commit `{result['commit']}`, {result['at']}; {machine['cores']} cores "
        f"({machine['cpu']}), {machine['memory_gib']} GiB, Python {machine['python']}.*",
        "",
    ]


def intake(result: dict[str, Any]) -> list[str]:
    """Instances per second, beside the peers."""
    names = list(result["rows"][0]["instances_per_s"])
    headings = ["instances", "associations", "sender", *names, "CoRead ÷ Orthanc", "CoRead ÷ storescp"]
    rows = []
    for row in result["rows"]:
        speeds = [row["instances_per_s"][name]["median"] for name in names]
        ratios = [row["ratio"].get("orthanc", ""), row["ratio"].get("storescp", "")]
        rows.append([row["size"], row["associations"], row["sender"], *speeds, *ratios])
    memory = result["memory"]
    remarks = "; ".join(f"{name}: {remark}" for name, remark in result["remarks"].items())
    targets = [
        f"- {target['target']}: {'met' if target['met'] else 'NOT met'} ({', '.join(f'{case} {ratio}x' for case, ratio in target['ratios'].items())})"
        for target in result["targets"]
    ]
    return [
        "## Intake: C-STORE instances per second",
        "",
        *table(headings, rows),
        f"{remarks}. A tuned sender sets TCP_NODELAY. Memory of our gateway: {memory['at_rest_mb']} MB at rest, "
        f"{memory['peak_mb']} MB peak under {memory['associations']} associations.",
        "",
        *targets,
        "",
        *made(result),
    ]


def latency(result: dict[str, Any]) -> list[str]:
    """From the last image to the results, beside the bare model."""
    found = result["latency"]
    rows = [
        [name, *(f"{1000 * found[key][p]:.0f}" for p in ("p50", "p95", "max"))]
        for name, key in (
            ("last image → SR, presentation state, FHIR", "clinic_s"),
            ("bare model in a loop", "bare_model_s"),
            ("added by the clinic", "added_s"),
        )
    ]
    memory = ", ".join(
        f"{value} MB {name.removesuffix('_mb').replace('_', ' ')}" for name, value in result["memory"].items()
    )
    return [
        "## From last image to result",
        "",
        *table(["ms", "p50", "p95", "max"], rows),
        f"{result['studies']} studies by C-STORE, one after the other; the quiet period of {result['quiet_period_s']} s "
        f"is not counted. All at once: {result['burst']['studies_per_s']} studies a second. "
        f"Memory of the whole clinic with its reader: {memory}.",
        "",
        *made(result),
    ]


def dicomweb(result: dict[str, Any]) -> list[str]:
    """QIDO and WADO beside Orthanc."""
    rows = [
        [row["measure"], row["unit"], row["coread"], row.get("orthanc", ""), row.get("times better", "")]
        for row in result["rows"]
    ]
    return [
        "## DICOMweb",
        "",
        *table(["what", "unit", "CoRead", "Orthanc", "times better"], rows),
        *made(result),
    ]


def kills(result: dict[str, Any]) -> list[str]:
    """Lost and doubled after random kills."""
    rows = [[name.replace("_", " "), count] for name, count in result["found"].items()]
    return [
        "## Killed at random",
        "",
        f"{result['kills']} times `kill -9` while {result['studies']} studies arrived and were read "
        f"({result['database']}); the sender sent {result['sent_again']} again that had not been acknowledged.",
        "",
        *table(["found afterwards", "count"], rows),
        *made(result),
    ]


def install(result: dict[str, Any]) -> list[str]:
    """Time and size of the clinic's install."""
    cold = "without" if result["cold_cache"] else "with"
    return [
        "## Install",
        "",
        f"{result['install_s']} s {cold} pip's cache, {result['size_mb']} MB in {result['packages']} packages with the demo's "
        f"images, torch among them: {'yes' if result['holds_torch'] else 'no'}.",
        "",
        *made(result),
    ]


def viewer(result: dict[str, Any]) -> list[str]:
    """How soon and how smoothly images are on the screen."""
    rows = [
        [row["measure"], row["coread"], row["range"], row["unit"], row.get("bound", "")]
        for row in result["rows"]
    ]
    return [
        "## Viewer",
        "",
        f"{result['data']['slices']} slices of 512 x 512 in {result['browser']}, headless, without a GPU, server and browser "
        f"on one machine; {result['repeats']} fresh browsers. {result['weight']['total_mb']} MB compressed in all.",
        "",
        *table(["what", "median", "range", "unit", "bound"], rows),
        *made(result),
    ]


def reading_room(result: dict[str, Any]) -> list[str]:
    """A morning's work of fifty doctors."""
    figures = ("doctors", "verdicts", "per_s", "p50_ms", "p95_ms", "max_ms")
    rows = [
        [name, *(run[figure] for figure in figures), len(run["faults"])]
        for name, run in result["verdicts"].items()
    ]
    kept, memory, page = result["kept"], result["memory"], result["page"]
    think_s = result["verdicts"]["paced"]["think_s"]
    return [
        "## Reading room",
        "",
        *table(["", "doctors", "verdicts", "a second", "p50 ms", "p95 ms", "max ms", "faults"], rows),
        f"Simulated doctors, each with a session of its own, on SQLite. Paced: {think_s:g} s of thought between two verdicts "
        "on average; crowded: without a pause. "
        f"Of {kept['expected']} verdicts {kept['decided']} stand in the casebook and {kept['events']} in the ledger. "
        f"Server's memory over {memory['opened']} opened studies: {memory['second_quarter_mb']} MB in the second quarter, "
        f"{memory['last_quarter_mb']} MB in the last. "
        f"A study page with all its scripts and the whole viewer: {page['total_kb'] / 1024:.2f} MB compressed.",
        "",
        *made(result),
    ]


def ledger(result: dict[str, Any]) -> list[str]:
    """Show appends, proofs and tamperings."""
    systems = {"SQLite": "appending_sqlite", "PostgreSQL": "appending_postgresql"}
    rows = [
        [system, batch, at["events_per_s"], at["worst_events_per_s"], at["without_tree_events_per_s"]]
        for system, name in systems.items()
        for batch, at in result.get(name, {}).items()
        if batch.isdecimal()
    ]
    head = ["database", "events in a transaction", "events/s (median)", "worst", "without hashes and tree"]
    proofs = [
        [f"{at['events']:,}", at["proof_hashes"], at["proof_bytes"], at["make_proof_ms"], at["verify_proof_us"],
         at["verify_growth_us"], at.get("naive_proof_ms", "–"), at["verify_all_s"]]
        for at in result["proofs"]
    ]  # fmt: skip
    columns = ["events", "hashes in a proof", "bytes", "made in ms", "verified in µs", "growth verified in µs",
               "made from all leaves, ms", "whole ledger verified, s"]  # fmt: skip
    tried = sum(kind["tried"] for kind in result["tampering"].values())
    found = sum(kind["found"] for kind in result["tampering"].values())
    return [
        "## The ledger", "",
        *table(head, rows),
        *table(columns, proofs),
        f"Random tamperings of {len(result['tampering'])} kinds (bits flipped, events removed, inserted, moved, cut "
        f"off, forged with a fitting hash, forgotten in silence): {found:,} of {tried:,} found. {result.get('note', '').capitalize()}.", "",
        *made(result),
    ]  # fmt: skip


def deidentify(result: dict[str, Any]) -> list[str]:
    """Headers scored, burned-in names hidden, speed beside the peers."""
    headers, text, speed = (result.get(part, {}) for part in ("headers", "text", "speed"))
    rows = []
    if "score" in headers:
        checks = headers["score"]
        rows.append(["planted identifiers in headers handled rightly", _share(checks, 2), checks["n"]])
    if "recall" in text:
        rows.append(["burned-in names hidden", _share(text["recall"], 1), text["recall"]["n"]])
        rows += [
            [f"– contrast {name}", _share(found, 1), found["n"]]
            for name, found in text["recall_by"]["contrast"].items()
        ]
    if "recall" in result.get("peer", {}):
        found = result["peer"]["recall"]
        rows.append([f"the same by {result['peer']['peer']}", _share(found, 1), found["n"]])
    names = [name for name in ("coread", "deid", "dicom-anonymizer") if name in speed]
    speeds = [
        [name, f"{speed[name]['files_per_s']:.0f}", f"{speed[name]['processor_ms_per_file']:.2f}"]
        for name in names
    ]
    ratios = "; ".join(
        f"CoRead is {speed[f'times_{name}']['by_clock']:.1f} times {name} by the clock, "
        f"{speed[f'times_{name}']['by_processor_time']:.1f} times by processor time"
        for name in names[1:]
    )
    return [
        "## De-identification",
        "",
        *table(["what", "share (95 %)", "n"], rows),
        *table(["headers of 1,000 files", "files/s", "processor ms a file"], speeds),
        f"{ratios}. More, with what falls short: [de-identification](deidentification.md).",
        "",
        *made(result),
    ]


def _share(found: dict[str, Any], digits: int) -> str:
    value, lower, upper = (f"{100 * found[name]:.{digits}f}" for name in ("value", "lower", "upper"))
    return f"{value} % ({lower}–{upper})"


SECTIONS = {
    "intake": intake,
    "latency": latency,
    "dicomweb": dicomweb,
    "viewer": viewer,
    "reading_room": reading_room,
    "kills": kills,
    "install": install,
    "ledger": ledger,
    "deidentify": deidentify,
}


def main() -> None:
    """Write the page."""
    lines = [_HEAD]
    for name, write in SECTIONS.items():
        if result := load(name):
            lines += write(result)
    lines.append("The chest radiograph reader's figures: [its own page](chest_radiograph.md).\n")
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    chest_page.main()


if __name__ == "__main__":
    main()
