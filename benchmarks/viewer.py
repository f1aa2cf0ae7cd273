"""The image viewer in a real browser: how soon, how fast, how heavy.

    python benchmarks/viewer.py [--quick] [--repeats N]

Debian's Chromium, headless and without a GPU, reads a CT of 300 slices of 512 x 512 (16 bit, noise, so that nothing
compresses) from our DICOMweb server on loopback; both share the machine. Each repeat is a fresh browser with an empty
cache. Times run from the call of `mount`: *picture* is the server's own rendering as a stand-in, *first image* the
image drawn by the viewer from its stored values, *all loaded* every slice decoded. *Scroll* steps through all slices,
one for each picture that the browser shows. The same images are then scrolled through Cornerstone's WebGL path on
the software rasterizer, to see which of the two a PC without a GPU should use.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from provenance import ROOT, keep, provenance
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(ROOT / "tests" / "support"))

from chromium import chromium
from viewer_page import Page
from viewer_site import STATIC, Site, viewer_site

from coread.testing import patients

STUDY = "2.25.1"

_SCROLL = """
const done = arguments[0], times = [], pane = viewer.active;
await viewer.scroll(pane, 0);
let last = performance.now();
for (let i = 0; i < pane.count; i++) {
  await viewer.scroll(pane, i);
  await new Promise(requestAnimationFrame);
  const now = performance.now();
  times.push(now - last);
  last = now;
}
done(times);
"""

_WEBGL = """
const done = arguments[0], times = [], pane = viewer.active, { viewport, surface } = pane;
const shown = () => new Promise((r) => surface.addEventListener('CORNERSTONE_IMAGE_RENDERED', r, { once: true }));
await viewport.setDisplaySets({ displaySetId: pane.displaySet, options: { renderBackend: 'gpu', orientation: 'acquisition' } });
viewport.setDisplaySetPresentation(pane.displaySet, { voiRange: { lower: -160, upper: 240 } });
let last = performance.now();
for (let i = 0; i < Math.min(100, pane.count); i++) {
  const drawn = shown();
  viewport.setImageIdIndex(i);
  viewport.render();
  await drawn;
  await new Promise(requestAnimationFrame);
  const now = performance.now();
  times.push(now - last);
  last = now;
}
done(times);
"""

# Name, unit, whether more is better, the bound that we hold ourselves to.
MEASURES: dict[str, tuple[str, bool, float | None]] = {
    "picture of the first image": ("ms", False, None),
    "first image": ("ms", False, 1000),
    "all loaded": ("ms", False, 6000),
    "scroll, median": ("frames/s", True, 25),
    "scroll, slowest 5 %": ("frames/s", True, None),
    "scroll by software WebGL, median": ("frames/s", True, None),
    "reformat opens": ("ms", False, None),
    "memory of the page, all loaded": ("MB", False, None),
    "5,000 slices: first image": ("ms", False, None),
    "5,000 slices: last image after End": ("ms", False, None),
}


def slices(count: int) -> list[bytes]:
    """Make a drawn chest with the noise of a real one."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    noise = random.normal(0, 15, (512, 512))
    made = []
    for number in range(count):
        body = (x / 0.85) ** 2 + (y / (0.65 + 0.1 * np.sin(number / 40))) ** 2 < 1
        lung = ((np.abs(x) - 0.38) / 0.3) ** 2 + (y / 0.45) ** 2 < 1
        pixels = np.where(body, np.where(lung, -850, 40), -1000) + np.roll(noise, 17 * number)
        facts = {"InstanceNumber": number + 1, "ImagePositionPatient": [-180, -180, 1.5 * number],
                 "PixelSpacing": [0.7, 0.7], "SliceThickness": 1.5, "SeriesDescription": "Chest 1.5"}  # fmt: skip
        made.append(
            patients.dicom_from_pixels(
                pixels.astype(np.int16), modality="CT", facts=facts, study_uid=STUDY,
                series_uid=f"{STUDY}.1", sop_uid=f"{STUDY}.1.{number + 1}",
            )
        )  # fmt: skip
    return made


def run_once(site: Site, count: int) -> dict[str, float]:
    """Open, load, scroll, reformat in a fresh browser."""
    programs = [shutil.which(name) or name for name in ("chromium", "chromedriver")]
    with tempfile.TemporaryDirectory() as folder, chromium(*programs, Path(folder)) as browser:
        page = Page(browser, site)
        first = {"seriesInstanceUid": f"{STUDY}.1", "sopInstanceUid": f"{STUDY}.1.{count // 2}", "frame": 1}
        page.open(STUDY, firstImage=first)
        page.wait("return window.events.some((event) => event.type === 'all-loaded')", 60)
        told = {kind: page.events(kind)[0] for kind in ("placeholder", "first-image", "all-loaded")}
        memory_mb = page.script("return performance.memory.usedJSHeapSize / 1048576")
        times = _timed(page, _SCROLL)
        started = time.perf_counter()
        page.press("y")
        page.wait(
            "return viewer.mpr !== undefined && document.querySelectorAll('.crv-grid .crv-pane line').length > 0",
            60,
        )
        reformat_ms = 1000 * (time.perf_counter() - started)
        page.press("\ue00c")
        page.wait("return viewer.mpr === undefined")
        webgl = _timed(page, _WEBGL)
        if page.faults() or told["all-loaded"]["images"] != count:
            raise RuntimeError(f"faults {page.faults()}, images {told['all-loaded']['images']}")
    return {
        "picture of the first image": told["placeholder"]["ms"],
        "first image": told["first-image"]["ms"],
        "all loaded": told["all-loaded"]["ms"],
        "scroll, median": 1000 / statistics.median(times),
        "scroll, slowest 5 %": 1000 / sorted(times)[int(0.95 * len(times))],
        "scroll by software WebGL, median": 1000 / statistics.median(webgl),
        "reformat opens": reformat_ms,
        "memory of the page, all loaded": memory_mb,
    }


BIG = 5000


def many_slices() -> Iterator[bytes]:
    """Make one series of 5,000 slices that differ in their numbers only."""
    pixels = patients.dicom_from_pixels(
        np.random.default_rng(1).integers(-1000, 1000, (512, 512), dtype=np.int16), modality="CT",
        facts={"InstanceNumber": "00001"}, study_uid="2.25.2", series_uid="2.25.2.1", sop_uid="2.25.2.1.00001",
    )  # fmt: skip
    for number in range(1, BIG + 1):
        named = pixels.replace(b"2.25.2.1.00001", b"2.25.2.1.%05d" % (10_000 + number))
        yield named.replace(b"00001 ", b"%05d " % number)


def run_big(site: Site) -> dict[str, float]:
    """Open 5,000 slices at the hundredth, go to the last."""
    programs = [shutil.which(name) or name for name in ("chromium", "chromedriver")]
    with tempfile.TemporaryDirectory() as folder, chromium(*programs, Path(folder)) as browser:
        page = Page(browser, site)
        first = {"seriesInstanceUid": "2.25.2.1", "sopInstanceUid": "2.25.2.1.10100", "frame": 1}
        page.open("2.25.2", firstImage=first)
        page.wait(f"return viewer.active.count === {BIG} && viewer.active.image !== undefined", 60)
        started = time.perf_counter()
        page.press("\ue010")
        last = f"2.25.2.1.{10_000 + BIG}"
        page.wait(f"return window.events.some((event) => event.sopInstanceUid === '{last}')", 30)
        return {
            "5,000 slices: first image": page.events("first-image")[0]["ms"],
            "5,000 slices: last image after End": 1000 * (time.perf_counter() - started),
        }


def _timed(page: Page, script: str) -> list[float]:
    return [
        float(time_ms)
        for time_ms in page.browser.execute_async_script(f"(async () => {{{script}}}).apply(null, arguments)")
    ]


def weights() -> dict[str, Any]:
    """Return the compressed size of what ships, whole and of what the first image needs."""
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9, mtime=0)) for path in sorted(STATIC.iterdir())
             if path.suffix in {".js", ".wasm", ".css"}}  # fmt: skip
    return {"total_mb": round(sum(sizes.values()) / 1e6, 3), "bound_mb": 3, "files": sizes}


def rows_of(repeats: list[dict[str, float]]) -> list[dict[str, Any]]:
    """Make one row for each measure: median, range, bound and whether it is kept."""
    rows = []
    for name, (unit, more_is_better, bound) in MEASURES.items():
        values = sorted(repeat[name] for repeat in repeats)
        median = statistics.median(values)
        row: dict[str, Any] = {"measure": name, "unit": unit, "coread": round(median, 1)}
        row["range"] = [round(values[0], 1), round(values[-1], 1)]
        if bound is not None:
            row |= {"bound": bound, "kept": median >= bound if more_is_better else median <= bound}
        rows.append(row)
    return rows


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one repeat")
    parser.add_argument("--repeats", type=int, default=0)
    parser.add_argument("--name", default="viewer", help="name of the file in benchmarks/results")
    arguments = parser.parse_args()
    count, repeats = 300, arguments.repeats or (1 if arguments.quick else 5)
    with tempfile.TemporaryDirectory() as folder, viewer_site(Path(folder)) as site:
        site.keep(*slices(count))
        found = [run_once(site, count) for _ in range(repeats)]
        site.keep(*many_slices())
        found = [one | run_big(site) for one in found]
    rows, weight = rows_of(found), weights()
    table = Table(
        "measure", "median", "range", "unit", "bound", title=f"Viewer, {weight['total_mb']} MB compressed"
    )
    for row in rows:
        table.add_row(
            row["measure"], str(row["coread"]), str(row["range"]), row["unit"], str(row.get("bound", ""))
        )
    Console(width=120).print(table)
    result = {
        "benchmark": "viewer",
        **provenance("starlette", "uvicorn", "selenium"),
        "browser": _browser_version(),
        "load_average": os.getloadavg(),
        "repeats": repeats,
        "data": {"slices": count, "rows": 512, "columns": 512, "bits": 16},
        "weight": weight,
        "rows": rows,
    }
    print(f"-> {keep(arguments.name, result)}")
    return 0


def _browser_version() -> str:
    import subprocess  # noqa: PLC0415

    outcome = subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=False)
    return outcome.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
