"""What a release is built of: pins that fit, a scan that cannot pass in silence."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import threading
import tomllib
from datetime import date
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "requirements" / "clinic.txt"
PIN = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==([^ ;\\]+)")


def loaded(name):
    """Load a script of security/, which stands beside those that it imports."""
    if str(ROOT / "security") not in sys.path:
        sys.path.insert(0, str(ROOT / "security"))
    spec = importlib.util.spec_from_file_location(name, ROOT / "security" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


scan = loaded("scan")


def pins() -> dict[str, list[tuple[str, str]]]:
    """Return each pinned package with its versions and lines of markers."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in PINS.read_text().splitlines():
        if held := PIN.match(line):
            found.setdefault(held[1], []).append((held[2], line))
    return found


def test_the_pins_satisfy_what_the_package_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    kept = pins()
    for line in (*project["dependencies"], *project["optional-dependencies"]["postgres"]):
        asked = Requirement(line)
        name = re.sub(r"[-_.]+", "-", asked.name).lower()
        assert name in kept, f"{line}: run make pins"
        assert all(Version(version) in asked.specifier for version, _ in kept[name]), f"{line}: run make pins"


def test_every_pin_has_its_hashes_and_names_no_place():
    text = PINS.read_text()
    assert not re.search(r"https?://|file:|(?<!\w)/\w|--index|--find-links|localhost", text)
    blocks = re.split(r"\n(?=\S)", text)
    bare = [block.splitlines()[0] for block in blocks if PIN.match(block) and "--hash=sha256:" not in block]
    assert bare == []
    assert len(pins()) > 40


def told(*vulns, skip=False):
    package = {"name": "left-pad", "version": "1.0"}
    package |= {"skip_reason": "Dependency not found on PyPI"} if skip else {"vulns": list(vulns)}
    return {"dependencies": [package, {"name": "numpy", "version": "2", "vulns": []}]}


FLAW = {"id": "PYSEC-1", "aliases": ["CVE-1", "GHSA-1"], "fix_versions": ["1.1"]}
TODAY = date(2026, 11, 26)
ANSWER = {"package": "Left-Pad", "id": "CVE-1", "date": TODAY, "reason": "The function is not called here."}


@pytest.mark.parametrize(
    ("answers", "open_ones"),
    [
        ([], 1),
        ([ANSWER], 0),
        ([ANSWER | {"reason": "fine"}], 2),
        ([ANSWER | {"date": "soon"}], 2),
        ([ANSWER | {"package": "other"}], 1),
        ([ANSWER | {"id": "CVE-2"}], 1),
        ([ANSWER | {"date": date(2027, 1, 1)}], 2),
        ([ANSWER | {"expires": date(2026, 11, 27)}], 0),
        ([ANSWER | {"expires": TODAY}], 2),
        ([ANSWER | {"expires": "never"}], 2),
    ],
)
def test_a_finding_is_open_until_it_is_answered(answers, open_ones):
    assert len(scan.faults(scan.read(told(FLAW)), answers, TODAY)) == open_ones


def test_a_package_that_was_skipped_counts_and_all_of_them_mean_that_nobody_looked():
    assert len(scan.faults(scan.read(told(skip=True)), [], TODAY)) == 1
    only = {"dependencies": [told(skip=True)["dependencies"][0]]}
    assert scan.read(only) is None


@pytest.mark.parametrize("reach", [True, False])
def test_silence_is_said_as_such(monkeypatch, capsys, reach):
    monkeypatch.setattr(scan, "audit", lambda _, service: scan.read(told(FLAW)) if reach else None)
    monkeypatch.setattr(scan.newest, "look", lambda _: None)
    assert scan.main() == int(reach)
    said = capsys.readouterr().out
    assert ("PYSEC-1 is not answered" in said) == reach
    assert (scan.UNREACHABLE in said) == (not reach)


@pytest.fixture
def projects(tmp_path):
    """Serve pages of projects as PyPI does; give where, and the folder."""
    serve = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    serve.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", tmp_path
        server.shutdown()


def page(folder, name, version, *flaws):
    (folder / name).mkdir()
    (folder / name / "json").write_text(json.dumps({"info": {"version": version}, "vulnerabilities": flaws}))


def test_the_pages_of_projects_answer_for_the_newest_release_alone(projects):
    where, folder = projects
    flaw = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fixed_in": ["1.1"]}
    page(folder, "left-pad", "1.0", flaw, flaw | {"id": "PYSEC-2", "withdrawn": "2026-01-01T00:00:00Z"})
    page(folder, "older", "2.0", flaw)
    looked = scan.newest.look([("Left_Pad", "1.0"), ("older", "1.9"), ("absent", "1")], where)
    assert [(f.package, f.id, f.fixed_in) for f in looked.findings] == [("Left_Pad", "PYSEC-1", "1.1")]
    assert (looked.audited, looked.skipped, looked.uncovered) == (1, (), ("older 1.9", "absent 1"))
    assert len(scan.faults(looked, [], TODAY)) == 1
    assert scan.faults(looked, [ANSWER | {"package": "left_pad"}], TODAY) == []


@pytest.mark.parametrize(
    "text", ["no JSON", "[]", "{}", '{"info": {"version": "1"}, "vulnerabilities": null}']
)
def test_a_page_that_says_nothing_of_vulnerabilities_is_no_clean_bill(projects, text):
    where, folder = projects
    (folder / "left-pad").mkdir()
    (folder / "left-pad" / "json").write_text(text)
    assert scan.newest.look([("left-pad", "1")], where) is None


def test_the_answers_that_are_given_are_answers():
    given = tomllib.loads(scan.ANSWERS.read_text(encoding="utf-8")).get("answer", [])
    nothing = scan.Looked((), 1, ())
    assert scan.faults(nothing, given, date.today()) == []
