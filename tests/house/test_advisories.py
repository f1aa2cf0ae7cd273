"""Advisories that were carried in as a file: which versions they mean, and what is no answer."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

SECURITY = str(Path(__file__).resolve().parents[2] / "security")
sys.path.insert(0, SECURITY)

import advisories  # noqa: E402
import scan  # noqa: E402

sys.path.remove(SECURITY)


def record(id="GHSA-1", package="pillow", *events, **more):
    """Write one record after OSV's schema."""
    entry = {"package": {"ecosystem": "PyPI", "name": package}}
    if events:
        entry["ranges"] = [{"type": "ECOSYSTEM", "events": list(events)}]
    entry |= {key: more.pop(key) for key in ("versions", "ranges") if key in more}
    return {
        "schema_version": "1.6.0",
        "id": id,
        "modified": "2026-11-20T01:02:03Z",
        "affected": [entry],
        **more,
    }


def export(tmp_path, *records):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for number, one in enumerate(records):
            packed.writestr(f"{number}.json", one if isinstance(one, str | bytes) else json.dumps(one))
    return path


FROM_THE_START, FIXED = {"introduced": "0"}, {"fixed": "11.3.0"}


@pytest.mark.parametrize(
    ("events", "affected", "not_affected"),
    [
        ([FROM_THE_START, FIXED], "0.1 11.2.9 11.3.0rc1 11.3.0.dev1", "11.3.0 11.3.0.post1 12.0 11.3.0+x"),
        ([FROM_THE_START], "0 0.0.dev1 1.0 99", ""),
        ([{"introduced": "2.0"}, {"last_affected": "2.5"}], "2.0 2.5 2.4.9", "1.9 2.0rc1 2.5.post1 2.6"),
        ([{"introduced": "3"}, {"fixed": "3.2"}, {"introduced": "4"}, {"fixed": "4.1"}], "3 4", "3.2 4.1"),
        ([{"fixed": "4.1"}, {"introduced": "4"}, {"introduced": "0"}, {"fixed": "1"}], "0.5 4.0.1", "1 4.1"),
        ([FROM_THE_START, {"limit": "2"}], "1", "2 3"),
        ([FROM_THE_START, {"limit": "*"}], "1 5", ""),
        ([{"introduced": "1!0"}], "1!0 1!2", "9.9"),
    ],
)  # fmt: skip
def test_ranges_mean_what_the_schema_says(events, affected, not_affected):
    (entry,) = record("x", "pillow", *events)["affected"]
    assert [v for v in affected.split() if not advisories.is_affected(entry, v)] == []
    assert [v for v in not_affected.split() if advisories.is_affected(entry, v)] == []


def test_a_range_agrees_with_a_plain_comparison_of_versions():
    versions = [
        f"{a}.{b}{c}" for a in range(3) for b in range(3) for c in ("", "a1", "rc2", ".post1", ".dev3")
    ]
    for low in versions[::4]:
        for high in versions[1::4]:
            (entry,) = record("x", "p", {"introduced": low}, {"fixed": high})["affected"]
            if Version(low) < Version(high):
                for v in versions:
                    assert advisories.is_affected(entry, v) == (Version(low) <= Version(v) < Version(high)), (
                        low,
                        high,
                        v,
                    )


def test_listed_versions_count_however_they_are_written():
    (entry,) = record("x", "p", versions=["1.0", "2.0rc1", "weird-build"])["affected"]
    meant = ["1", "1.0.0", "2.0-rc.1", "weird-build"]
    assert [v for v in (*meant, "1.1") if advisories.is_affected(entry, v)] == meant


@pytest.mark.parametrize(
    "entry",
    [
        {"ranges": [{"type": "GIT", "repo": "https://x", "events": [{"introduced": "0"}, {"fixed": "abc"}]}]},
        {},
        {"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "not a version"}]}]},
    ],
)
def test_what_cannot_be_compared_counts_as_affected(entry):
    assert advisories.is_affected(entry, "1.0")


def test_components_are_found_under_any_spelling_and_each_flaw_once(tmp_path):
    path = export(
        tmp_path,
        record("PYSEC-2", "Python_Multipart", FROM_THE_START, {"fixed": "0.0.18"}, aliases=["CVE-1"]),
        record("GHSA-2", "python-multipart", FROM_THE_START, {"fixed": "0.0.18"}, aliases=["CVE-1"]),
        record(
            "GHSA-3", "python.multipart", FROM_THE_START, {"fixed": "9"}, withdrawn="2025-01-01T00:00:00Z"
        ),
        record("MAL-4", "somebody-elses", FROM_THE_START),
    )
    looked = advisories.look(path, [("python-multipart", "0.0.9"), ("numpy", "2.0")])
    assert [(f.package, f.id, f.fixed_in) for f in looked.findings] == [
        ("python-multipart", "GHSA-2", "0.0.18")
    ]
    assert (looked.audited, looked.skipped, looked.as_of) == (2, (), "2026-11-20")


@pytest.mark.parametrize(
    "content",
    [b"no zip at all", [], ["{"], ["[]"], ['{"id": 7}'], [json.dumps(record("R", "x") | {"affected": []})]],
)
def test_what_is_no_export_is_no_clean_bill(tmp_path, content, capsys):
    path = tmp_path / "all.zip"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path = export(tmp_path, *content)
    assert scan.main(export=path) == 1
    assert "not scanned" in capsys.readouterr().out
    assert scan.main(export=tmp_path / "absent.zip") == 1


def test_an_export_of_another_ecosystem_is_none(tmp_path):
    other = record("R", "x")
    other["affected"][0]["package"]["ecosystem"] = "npm"
    with pytest.raises(advisories.NotAnExport, match="nobody has looked"):
        advisories.look(export(tmp_path, other), [("x", "1")])


def test_a_finding_stays_open_until_it_is_answered(tmp_path, capsys):
    bill = tmp_path / "sbom.json"
    part = {"name": "Pillow", "version": "10.0.0", "purl": "pkg:pypi/pillow@10.0.0"}
    npm = {"name": "pillow", "version": "1", "purl": "pkg:npm/pillow@1"}
    bill.write_text(json.dumps({"components": [part, npm]}))
    path = export(tmp_path, record("GHSA-9", "pillow", FROM_THE_START, FIXED, aliases=["CVE-9"]))
    answers = tmp_path / "answers.toml"
    answers.write_text("")
    assert scan.main(answers=answers, export=path, bill=bill) == 1
    assert "pillow 10.0.0: GHSA-9 is not answered (fixed in 11.3.0)" in capsys.readouterr().out
    answers.write_text(
        '[[answer]]\npackage = "pillow"\nid = "CVE-9"\ndate = 2026-01-31\n'
        'reason = "This format is not opened here at all."\n'
    )
    assert scan.main(answers=answers, export=path, bill=bill) == 0
    assert "1 packages, 1 findings, 0 open, advisories as of 2026-11-20" in capsys.readouterr().out


def test_the_pins_are_read_from_the_file_that_a_release_is_built_of():
    pins = dict(advisories.of_pins(scan.PINS.read_text()))
    assert len(pins) > 40
    assert all(Version(version) for version in pins.values())
