"""Import: the good part goes in, the rest is told; zips, media, links and tricks are held within bounds."""

from __future__ import annotations

import io
import os
import shutil
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keeping import House, image
from pydicom.data import get_testdata_file

from coread.archive import Query
from coread.errors import LowDisk, NotFound
from coread.intake import ImportSummary, Limits, import_path


def write_tree(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as container:
        for name, data in files.items():
            container.writestr(name, data)
    return buffer.getvalue()


def take(house: House, path: Path, **limits: int) -> ImportSummary:
    return import_path(path, house.intake_with(Limits(**limits)))


def outcomes(summary: ImportSummary) -> list[tuple[str, str]]:
    return sorted((problem.name, problem.outcome) for problem in summary.problems)


FILES = {
    "a/1.dcm": image(1, 1, 1),
    "a/2": image(1, 1, 2),
    "b/again.dcm": image(1, 1, 1),
    "b/conflict.dcm": image(1, 1, 2, seed=9),
    "b/cut.dcm": image(2)[:-5],
    "b/readme.txt": b"This is no image at all.",
    "empty": b"",
}
EXPECTED = {"stored": 2, "duplicate": 1, "conflict": 1, "quarantined": 1, "skipped": 2}
# Files of one UID are filed side by side: whichever comes second is the conflict.
CONFLICTS = {("a/2", "conflict"), ("b/conflict.dcm", "conflict")}


def test_a_folder_is_taken_whole(small_house: House, tmp_path: Path) -> None:
    told = []
    folder = write_tree(tmp_path / "cd", FILES)
    summary = import_path(folder, small_house.intake, lambda done, known: told.append((done, known)))
    assert dict(summary.counts) == EXPECTED
    first, second = outcomes(summary)
    assert first in CONFLICTS
    assert second == ("b/cut.dcm", "quarantined")
    assert not summary.is_clean
    assert told == [(done, 7) for done in range(1, 8)]
    assert small_house.archive.get("1.2.1.1.1").source == "folder"
    assert "cut short" in small_house.quarantine.list()[0].error_text


def test_twice_is_once(small_house: House, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "cd", {"1": image(1), "2": image(2)})
    assert take(small_house, folder).is_clean
    assert dict(take(small_house, folder).counts) == {"duplicate": 2}
    assert len(small_house.keys()) == 2


def test_a_lone_file(small_house: House, tmp_path: Path) -> None:
    write_tree(tmp_path, {"one.dcm": image(), "letter.txt": b"Dear colleague, no image here."})
    assert dict(take(small_house, tmp_path / "one.dcm").counts) == {"stored": 1}
    assert dict(take(small_house, tmp_path / "letter.txt").counts) == {"skipped": 1}
    with pytest.raises(NotFound):
        take(small_house, tmp_path / "none")


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_zip_is_taken_as_a_folder(small_house: House, tmp_path: Path, compression: int) -> None:
    (tmp_path / "cd.zip").write_bytes(zipped(FILES, compression))
    summary = take(small_house, tmp_path / "cd.zip")
    assert dict(summary.counts) == EXPECTED | {"opened": 1}
    assert outcomes(summary)[0] in {(f"cd.zip/{name}", outcome) for name, outcome in CONFLICTS}


def test_zips_within_zips_are_opened_to_the_limit(small_house: House, tmp_path: Path) -> None:
    deepest = zipped({"3.dcm": image(3)})
    inner = zipped({"2.dcm": image(2), "deepest.zip": deepest})
    write_tree(tmp_path / "in", {"outer.zip": zipped({"1.dcm": image(1), "inner.zip": inner})})
    summary = take(small_house, tmp_path / "in")
    assert dict(summary.counts) == {"stored": 2, "opened": 2, "refused": 1}
    assert outcomes(summary) == [("outer.zip/inner.zip/deepest.zip", "refused")]
    assert dict(take(small_house, tmp_path / "in", zip_depth=3).counts)["stored"] == 1


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (zipped({str(number): b"" for number in range(11)}), {"zip_entries": 10}),
        (zipped({"zeros": bytes(200 << 20)}), {}),
        (zipped({"1": image(1), "2": image(2)}), {"zip_total_bytes": 2000}),
        (zipped({"in.zip": zipped({"1": bytes(9000)})}), {"zip_total_bytes": 9100}),
        (zipped({str(number): b"" for number in range(3000)}), {"zip_entries": 10}),
        (zipped({"1": image()})[:-30], {}),
        (b"PK\x03\x04" + bytes(1000), {}),
        (b"PK\x05\x06" + b"\xff" * 18, {}),
        (b"PK\x03\x04PK\x06\x07" + bytes(16) + b"PK\x05\x06" + b"\xff" * 18, {}),
    ],
    ids=["count", "ratio", "total", "total-inside", "directory", "cut", "no-end", "only-end", "zip64"],
)
def test_a_bomb_or_broken_zip_is_refused(
    small_house: House, tmp_path: Path, data: bytes, limits: dict[str, int]
) -> None:
    write_tree(tmp_path / "in", {"x.zip": data, "good.dcm": image(7)})
    summary = take(small_house, tmp_path / "in", **limits)
    assert summary.counts["refused"] == 1
    assert summary.counts["stored"] == 1
    assert small_house.archive.get("1.2.7.1.1")


def test_a_zip_that_lies_about_its_sizes_is_bounded(small_house: House, tmp_path: Path) -> None:
    """The directory says 10 bytes, the entry unfolds to 64 MiB: no more than 10 are read."""
    data = bytearray(zipped({"zeros": bytes(64 << 20)}))
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 10)
    write_tree(tmp_path / "in", {"x.zip": bytes(data), "good.dcm": image(7)})
    summary = take(small_house, tmp_path / "in")
    assert summary.counts["stored"] == 1
    assert summary.counts.get("unreadable", 0) + summary.counts.get("skipped", 0) == 1


def test_tricks_in_zip_names_lead_nowhere(small_house: House, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container:
        for number, name in enumerate(("../up.dcm", "/root.dcm", "a/../../up.dcm", "C:/x.dcm", "..\\up.dcm")):
            container.writestr(name, image(number))
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        container.writestr(link, "/etc/passwd")
        container.writestr("good.dcm", image(7))
    (tmp_path / "x.zip").write_bytes(buffer.getvalue())
    summary = take(small_house, tmp_path / "x.zip")
    assert dict(summary.counts) == {"refused": 6, "stored": 1, "opened": 1}
    assert not list(tmp_path.parent.rglob("up.dcm"))


def test_an_entry_without_a_name_is_told_and_stops_nothing(small_house: House, tmp_path: Path) -> None:
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as container:
        container.writestr("xy", b"nothing")
        container.writestr("good.dcm", image())
    # Both places of the name's length say none; its two letters pass for an extra field that is too short.
    data = bytearray(path.read_bytes())
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    for at, length in ((local, 26), (central, 28)):
        data[at + length : at + length + 4] = b"\x00\x00\x02\x00"
    path.write_bytes(bytes(data))
    summary = take(small_house, path)
    assert [problem.reason for problem in summary.problems] == ["no name"]
    assert dict(summary.counts) == {"refused": 1, "stored": 1, "opened": 1}


def test_an_encrypted_entry_is_told(small_house: House, tmp_path: Path) -> None:
    data = bytearray(zipped({"1.dcm": image()}))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(bytes(data))
    assert take(small_house, tmp_path / "x.zip").problems[0].reason == "encrypted"


def test_a_damaged_entry_does_not_stop_the_others(small_house: House, tmp_path: Path) -> None:
    data = bytearray(zipped({"1.dcm": image(1), "2.dcm": image(2)}, zipfile.ZIP_STORED))
    data[data.index(b"1.dcm") + 400] ^= 0xFF
    (tmp_path / "x.zip").write_bytes(bytes(data))
    summary = take(small_house, tmp_path / "x.zip")
    assert dict(summary.counts) == {"unreadable": 1, "stored": 1, "opened": 1}
    assert [facts["StudyInstanceUID"] for facts in small_house.archive.find_studies(Query())] == ["1.2.2"]
    assert len(small_house.keys()) == 1
    assert not list(small_house.archive.verify())


def test_links_and_pipes_are_not_followed(small_house: House, tmp_path: Path) -> None:
    outside = write_tree(tmp_path / "outside", {"secret.dcm": image(9)})
    folder = write_tree(tmp_path / "in", {"good.dcm": image(7)})
    (folder / "file-link").symlink_to(outside / "secret.dcm")
    (folder / "folder-link").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    summary = take(small_house, folder)
    assert summary.counts["stored"] == 1
    assert outcomes(summary) == [("file-link", "refused"), ("pipe", "refused")]


def test_a_file_that_cannot_be_opened_is_told(
    small_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tree(tmp_path / "in", {"a.dcm": image(1), "b.dcm": image(2)})
    really = Path.open

    def refuse(path: Path, *arguments: object, **named: object) -> object:
        if path.name == "a.dcm":
            raise PermissionError(13, "no", str(path))
        return really(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", refuse)
    summary = take(small_house, folder)
    assert outcomes(summary) == [("a.dcm", "unreadable")]
    assert summary.counts["stored"] == 1


def test_a_file_above_the_limit_is_refused(small_house: House, tmp_path: Path) -> None:
    write_tree(tmp_path / "in", {"a.dcm": image(1), "b.dcm": image(2) + bytes(3 << 20)})
    summary = take(small_house, tmp_path / "in", object_bytes=2 << 20)
    assert outcomes(summary) == [("b.dcm", "refused")]
    assert summary.counts["stored"] == 1
    assert len(small_house.keys()) == 1
    assert not list(small_house.store._root.rglob("*.dcm"))[1:]


def test_no_room_is_told_and_what_came_stays(small_house: House, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "in", {"a.dcm": image(1)})
    take(small_house, folder)
    small_house.store._low_disk_bytes = 1 << 60
    write_tree(folder, {"b.dcm": image(2)})
    with pytest.raises(LowDisk):
        take(small_house, folder)
    assert small_house.archive.get("1.2.1.1.1")


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """Copy the files of pydicom's DICOMDIR example."""
    directory = Path(get_testdata_file("DICOMDIR"))
    target = tmp_path / "medium"
    for patient in ("77654033", "98892001", "98892003"):
        shutil.copytree(directory.parent / patient, target / patient)
    shutil.copy(directory, target)
    return target


def test_of_a_dicomdir_the_files_that_it_names_are_read(small_house: House, medium: Path) -> None:
    (medium / "unnamed.dcm").write_bytes(image(5))
    summary = take(small_house, medium / "DICOMDIR")
    assert summary.counts["opened"] == 1
    assert summary.counts["stored"] == 31
    assert "missing" not in summary.counts
    with pytest.raises(Exception, match="kept"):
        small_house.archive.get("1.2.5.1.1")


def test_what_a_dicomdir_names_and_is_not_there_is_told(small_house: House, medium: Path) -> None:
    files = sorted(path for path in medium.rglob("*") if path.is_file() and path.name != "DICOMDIR")
    files[0].unlink()
    lower = files[1].with_name(files[1].name.lower())
    files[1].rename(lower)
    alone = take(small_house, medium / "DICOMDIR")
    assert (alone.counts["missing"], alone.counts["stored"]) == (1, 30)
    whole = take(small_house, medium)
    assert (whole.counts["missing"], whole.counts["duplicate"]) == (1, 30)
    assert whole.problems[0].reason == "named by the DICOMDIR, but not there"


def test_a_dicomdir_within_a_zip_or_broken_does_no_harm(
    small_house: House, medium: Path, tmp_path: Path
) -> None:
    data = (medium / "DICOMDIR").read_bytes()
    write_tree(tmp_path / "in", {"DICOMDIR": data[:3000], "x.zip": zipped({"DICOMDIR": data, "1": image(1)})})
    summary = take(small_house, tmp_path / "in")
    assert dict(summary.counts) == {"refused": 1, "opened": 2, "stored": 1}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_zip_with_any_damage_is_survived(
    small_house: House, tmp_path: Path, damage: list[tuple[int, int]]
) -> None:
    data = bytearray(zipped({f"{number}.dcm": image(number) for number in range(1, 4)}))
    for place, value in damage:
        data[place % len(data)] = value
    (tmp_path / "in.zip").write_bytes(bytes(data))
    summary = take(small_house, tmp_path / "in.zip")
    assert sum(summary.counts.values()) >= 1
    assert not list(small_house.archive.verify())
