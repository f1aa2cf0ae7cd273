"""Whose readers are used: signatures over every file, networks that reach nowhere, limits on what is read."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from coread.clinic import Clinic
from coread.errors import BundleRefused, ReaderFailed, ReaderUnavailable, SettingsFault
from coread.gateways.cli import app
from coread.readers import Registry, Vetting, open_bundle, publisher_of, sign_folder, verify_folder
from coread.readers import bundle as bundles
from coread.readers.networks.within import Within
from coread.readers.vetting import check_network
from coread.settings import Settings
from coread.testing.networks import dividing_network


@pytest.fixture
def key(tmp_path):
    return made_key(tmp_path / "acme.pem")


def made_key(path):
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    path.chmod(0o600)
    return path


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package of a reader that must not be imported before it is vetted."""
    site = tmp_path / "site"
    home = site / "outside_reader"
    (home / "bundle").mkdir(parents=True)
    (home / "__init__.py").write_text("import sys\nsys.outside_reader_ran = True\nreader = None\n")
    (home / "bundle" / "card.json").write_text("{}")
    (home / "bundle" / "weights.onnx").write_bytes(dividing_network())
    facts = site / "outside_reader-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-reader\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[coread.readers]\noutside = outside_reader:reader\n")
    monkeypatch.syspath_prepend(str(site))
    yield home
    sys.modules.pop("outside_reader", None)
    if hasattr(sys, "outside_reader_ran"):
        del sys.outside_reader_ran


def point() -> EntryPoint:
    return entry_points(group="coread.readers", name="outside")["outside"]


def publisher(key):
    return publisher_of(key.with_name("acme.pub.pem"))


def test_a_signed_folder_is_the_publishers(package, key):
    sign_folder(package, key)
    signed = verify_folder(package, [publisher(key)])
    assert signed.publisher.name == "acme.pub"
    assert set(signed.files) == {"__init__.py", "bundle/card.json", "bundle/weights.onnx"}


@pytest.mark.parametrize("harm", ["changed", "added", "taken away", "link"])
def test_whatever_was_done_to_it_afterwards_is_found(package, key, harm):
    sign_folder(package, key)
    if harm == "changed":
        (package / "bundle" / "weights.onnx").write_bytes(dividing_network("Mul"))
    elif harm == "added":
        (package / "bundle" / "more.npz").write_bytes(b"x")
    elif harm == "taken away":
        (package / "__init__.py").unlink()
    else:
        (package / "bundle" / "secrets").symlink_to("/etc/hostname")
    with pytest.raises(BundleRefused, match=harm):
        verify_folder(package, [publisher(key)])


def test_a_stranger_s_signature_is_none(package, key, tmp_path):
    sign_folder(package, made_key(tmp_path / "stranger.pem"))
    sign_folder(tmp_path / "site", key)
    with pytest.raises(BundleRefused, match="not trusted here"):
        verify_folder(package, [publisher(key)])
    text = json.loads((package / "signature.json").read_text())
    text["public_key"] = publisher(key).public_key.hex()
    (package / "signature.json").write_text(json.dumps(text))
    with pytest.raises(BundleRefused, match="does not hold"):
        verify_folder(package, [publisher(key)])


@given(st.binary(max_size=300))
def test_any_bytes_for_a_signature_are_refused(tmp_path_factory, noise):
    folder = tmp_path_factory.mktemp("noise")
    (folder / "card.json").write_text("{}")
    (folder / "signature.json").write_bytes(noise)
    with pytest.raises(BundleRefused):
        verify_folder(folder, [])


def test_a_key_that_others_may_read_signs_nothing(package, key):
    key.chmod(0o644)
    with pytest.raises(SettingsFault, match="others"):
        sign_folder(package, key)


def test_an_unsigned_outside_reader_is_not_even_imported(package):
    registry = Registry.load([point()], vetting=Vetting())
    with pytest.raises(ReaderUnavailable, match="no signature"):
        registry.reader("outside")
    assert not hasattr(sys, "outside_reader_ran")


def test_it_is_imported_where_it_is_signed_or_the_setting_says_so(package, key):
    sign_folder(package / "bundle", key)
    trusting = Registry.load([point()], vetting=Vetting((publisher(key),)))
    with pytest.raises(ReaderUnavailable, match="TypeError"):  # there is no reader in it, only code that ran
        trusting.reader("outside")
    assert sys.outside_reader_ran
    assert Vetting(allows_unsigned=True).reason_against(point()) == ""


def test_our_own_readers_come_with_the_package():
    for name in ("chest-radiograph", "ct-nodule"):
        (ours,) = entry_points(group="coread.readers", name=name)
        assert Vetting().reason_against(ours) == ""


def test_the_clinic_and_its_command_go_by_the_settings(package, key, tmp_path, monkeypatch):
    monkeypatch.setenv("COREAD_DATA__FOLDER", str(tmp_path / "data"))
    outcome = CliRunner().invoke(app, ["readers", "verify"])
    assert outcome.exit_code == 1
    assert "no signature" in outcome.output
    sign_folder(package, key)
    trusted = {"readers": {"trusted_publishers": [str(key.with_name("acme.pub.pem"))]}}
    settings = Settings.model_validate({"data": {"folder": str(tmp_path / "data")}} | trusted)
    with Clinic(settings) as clinic:
        (outside,) = [each for each in clinic.vetted_readers() if each.name == "outside"]
    assert (outside.package, outside.fault) == ("outside-reader", "")


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes(
            [
                number << 3 & 0x7F | (0x80 if number > 15 else 0),
                *([number >> 4] if number > 15 else []),
                value,
            ]
        )
    key = number << 3 | 2
    head = bytes([key]) if key < 128 else bytes([key & 0x7F | 0x80, key >> 7])
    return head + bytes([len(value)]) + value


OUTSIDE = {
    "external data": field(7, field(5, field(13, field(1, b"location") + field(2, b"../../etc/passwd")))),
    "location": field(7, field(5, field(14, 1))),
    "in a loop's body": field(7, field(1, field(5, field(6, field(5, field(14, 1)))))),
    "sparse": field(7, field(15, field(1, field(14, 1)))),
    "node's domain": field(7, field(1, field(7, b"evil.ops"))),
    "function": field(25, field(1, b"f")),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_network_that_reaches_outside_itself_is_refused(name):
    with pytest.raises(BundleRefused, match=r"another file|ONNX standard|functions of its own"):
        check_network(dividing_network() + OUTSIDE[name], "weights.onnx")


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_walked_or_refused(noise, after):
    data = dividing_network() + noise if after else noise
    with suppress(BundleRefused):
        check_network(data, "weights.onnx")


def test_graphs_nested_without_end_are_refused():
    deep = b""
    for _ in range(13):
        deep = field(1, field(5, field(6, deep)))
    with pytest.raises(BundleRefused, match="nested too deep"):
        check_network(field(7, deep), "weights.onnx")


def test_a_network_of_our_own_that_does_not_end_is_stopped():
    held = Within(dividing_network(), "weights.onnx", threads=1, longest_s=0.05)
    slow = held._session

    class Endless:
        def run(self, names, inputs, options):
            while True:  # the runtime's own loop looks at the same flag between operators
                slow.run(names, inputs, options)

    held._session = Endless()
    with pytest.raises(ReaderFailed, match="without end"):
        held.run({"x": np.ones((20_000, 2), np.float32)})


def test_arrays_that_unpack_to_more_than_fits_and_links_are_refused(tmp_path, monkeypatch):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npy", bytes(1 << 16))
    monkeypatch.setattr(bundles, "MOST_FILE_BYTES", 1 << 15)
    (tmp_path / "gate.npz").write_bytes(packed.getvalue())
    held = bundles.Bundle(
        tmp_path, None, None, {}, {"gate.npz": hashlib.sha256(packed.getvalue()).hexdigest()}
    )
    with pytest.raises(BundleRefused, match="arrays of"):
        held.arrays("gate.npz")
    (tmp_path / "card.json").symlink_to("/etc/hostname")
    with pytest.raises(BundleRefused, match="a link"):
        open_bundle(tmp_path)


def test_no_array_brings_objects_that_run(tmp_path):
    packed = io.BytesIO()
    np.savez(packed, a=np.array([object()], dtype=object))
    (tmp_path / "gate.npz").write_bytes(packed.getvalue())
    held = bundles.Bundle(
        tmp_path, None, None, {}, {"gate.npz": hashlib.sha256(packed.getvalue()).hexdigest()}
    )
    with pytest.raises(BundleRefused, match="no plain arrays"):
        held.arrays("gate.npz")
