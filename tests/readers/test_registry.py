"""Plug-ins as they are really installed: entry points of packages on the path."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from importlib.metadata import EntryPoint

import pytest

from coread.errors import ReaderUnavailable
from coread.readers import Machine, Registry
from coread.testing.readers import EXAMPLE_READERS

PLUGIN = """
from coread.testing.readers import brightness
from dataclasses import replace

loaded = []

def named(name):
    def make(machine):
        loaded.append(machine)
        example = brightness(machine)
        card = replace(example.card, identity=replace(example.card.identity, name=name, version="2.1.0"))
        return replace(example, card=card)
    return make

good = named("acme-good")
misnamed = named("something-else")

def half_done(machine):
    return object()

def untitled(machine):
    example = named("acme-untitled")(machine)
    return replace(example, card=replace(example.card, title_zh=""))

def odd_card(machine):
    return replace(brightness(machine), card="a card")

def raising(machine):
    raise OSError("Zzyzx^Canary")

def refusing(machine):
    from coread.errors import BundleRefused
    raise BundleRefused("a changed file", "the packed one", "", "weights.onnx")
"""

ENTRY_POINTS = """
[coread.readers]
acme-good = acme_readers:good
acme-misnamed = acme_readers:misnamed
acme-half = acme_readers:half_done
acme-untitled = acme_readers:untitled
acme-odd = acme_readers:odd_card
acme-raising = acme_readers:raising
acme-refusing = acme_readers:refusing
acme-missing = acme_readers:not_there
acme-import = acme_import:reader
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install a package of readers, as pip would lay it down."""
    info = tmp_path / "acme_readers-3.2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-readers\nVersion: 3.2.1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "acme_readers.py").write_text(PLUGIN)
    (tmp_path / "acme_import.py").write_text("import a_library_that_is_not_installed\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("acme_readers", "acme_import"):
        sys.modules.pop(name, None)


def test_an_installed_reader_is_found_and_loaded_when_asked_for(plugin):
    registry = Registry.load(machine=Machine(threads=3))
    assert {"acme-good", "chest-radiograph"} <= set(registry.names)
    assert "acme_readers" not in sys.modules
    reader = registry.reader("acme-good")
    assert str(reader.card.identity) == "acme-good 2.1.0"
    assert registry.reader("acme-good") is reader
    assert sys.modules["acme_readers"].loaded == [Machine(threads=3)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("acme-misnamed", "the card's name is something-else, the entry point's is acme-misnamed"),
        ("acme-half", "what the entry point made lacks card, calibration, accepts, or one of read"),
        ("acme-untitled", r"no title \(zh\)"),
        ("acme-odd", "card or calibration is of another type"),
        ("acme-raising", r"OSError in the reader's code \(acme_readers.py, line \d+\)"),
        ("acme-refusing", r"bundle is refused. a changed file \(weights.onnx\)"),
        ("acme-missing", "AttributeError in the reader's code"),
        ("acme-import", r"ModuleNotFoundError in the reader's code \(acme_import.py, line 1\)"),
        ("acme-nobody", "no reader of this name is installed"),
    ],
)
def test_an_unavailable_reader_keeps_its_reason(plugin, name, reason):
    registry = Registry.load()
    for _ in range(2):
        with pytest.raises(ReaderUnavailable, match=reason) as caught:
            registry.reader(name)
        assert "Zzyzx" not in repr(caught.getrepr(chain=True))


def test_the_overview_names_package_version_and_reason(plugin):
    points = [
        p for p in Registry.load()._points.values() for p in p if p.name in ("acme-good", "acme-import")
    ]
    good, bad = Registry.load(points).overview()
    assert (good.name, good.package, good.package_version, good.reason) == (
        "acme-good",
        "acme-readers",
        "3.2.1",
        "",
    )
    assert good.card.identity.version == "2.1.0"
    assert (bad.card, bad.package) == (None, "acme-readers")
    assert "ModuleNotFoundError" in bad.reason


def test_two_packages_of_one_reader_are_told(plugin):
    twice = [*EXAMPLE_READERS, EntryPoint("example-unsure", "x:y", "coread.readers")]
    with pytest.raises(
        ReaderUnavailable, match="several packages offer a reader of this name: unknown, unknown"
    ):
        Registry.load(twice).reader("example-unsure")


def test_the_example_readers_are_entry_points_like_any_other():
    registry = Registry.load(EXAMPLE_READERS)
    assert registry.names == ("example-brightness", "example-fails", "example-unsure")
    assert [each.reason for each in registry.overview()] == ["", "", ""]


def test_a_reader_is_made_once_however_many_ask(plugin):
    registry = Registry.load()
    threads = [threading.Thread(target=registry.reader, args=("acme-good",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sys.modules["acme_readers"].loaded) == 1


def test_asking_what_is_there_imports_no_reader_and_no_runtime():
    program = textwrap.dedent(
        """
        import sys, coread.readers
        coread.readers.Registry.load().names
        heavy = ("onnxruntime", "pydicom", "coread.readers.chest_radiograph", "coread.readers.onnx")
        print([name for name in heavy if name in sys.modules])
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
