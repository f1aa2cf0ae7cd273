"""The network behind its hash: only what was packed is loaded, only what fits is computed."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from coread.errors import BundleRefused, ReaderFailed
from coread.readers import onnx
from coread.readers.onnx import Session
from coread.testing.networks import dividing_network as network


@pytest.fixture
def weights(tmp_path):
    def write(content: bytes):
        path = tmp_path / "weights.onnx"
        path.write_bytes(content)
        return path, hashlib.sha256(content).hexdigest()

    return write


@pytest.fixture(scope="module", params=["within", "apart"])
def session(request, tmp_path_factory):
    """The same network as one of our own, and as a stranger's: what is promised holds for both."""
    path = tmp_path_factory.mktemp(request.param) / "weights.onnx"
    path.write_bytes(network())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx, "is_ours", lambda _: request.param == "within")
        return Session(path, hashlib.sha256(network()).hexdigest(), threads=2)


def test_it_computes(session):
    x = np.array([[2, 4], [6, 2]], np.float32)
    outputs = session.run({"x": x})
    assert outputs["y"].tolist() == [[1, 1], [3, 0.5]]
    assert (session.inputs, session.outputs) == ({"x": (None, 2)}, ("y",))


def test_the_same_input_gives_the_same_bits(session):
    x = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    assert session.run({"x": x})["y"].tobytes() == session.run({"x": x.copy()})["y"].tobytes()


def test_other_bytes_are_refused(weights):
    path, digest = weights(network())
    path.write_bytes(network() + b"\x00")
    with pytest.raises(BundleRefused, match=r"weights.onnx") as caught:
        Session(path, digest)
    assert digest[:12] in str(caught.value)


def test_an_upper_case_hash_is_the_same_hash(weights):
    path, digest = weights(network())
    assert Session(path, digest.upper()).outputs == ("y",)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BundleRefused, match="missing"):
        Session(tmp_path / "none.onnx", "00")


@pytest.mark.parametrize(
    "content",
    [b"", b"no network", network("NoSuchOperator"), network(opset=9999)],
    ids=["empty", "text", "op", "opset"],
)
@pytest.mark.parametrize("is_ours", [True, False], ids=["within", "apart"])
def test_what_is_no_network_is_refused(weights, content, is_ours, monkeypatch):
    monkeypatch.setattr(onnx, "is_ours", lambda _: is_ours)
    with pytest.raises(BundleRefused, match="no network for this runtime"):
        Session(*weights(content))


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ({}, "the inputs none"),
        ({"z": np.zeros((1, 2), np.float32)}, "the inputs z"),
        ({"x": np.zeros((1, 3), np.float32)}, r"float32 of shape \(1, 3\)"),
        ({"x": np.zeros(2, np.float32)}, r"float32 of shape \(2,\)"),
        ({"x": np.zeros((1, 2))}, "float64 of shape"),
    ],
)
def test_an_input_that_does_not_fit_is_a_failure(session, inputs, found):
    with pytest.raises(ReaderFailed, match=found):
        session.run(inputs)


def test_an_output_that_is_not_finite_is_a_failure(session):
    with pytest.raises(ReaderFailed, match="not finite"):
        session.run({"x": np.full((1, 2), np.inf, np.float32)})


def test_large_but_finite_numbers_are_an_answer(session):
    x = np.array([[3e38, 1], [1, 3e38]], np.float32)  # their squares are not finite in single precision
    assert np.isfinite(session.run({"x": x})["y"]).all()


@pytest.mark.parametrize("rows", [1, 20_000])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_found_among_few_and_many(session, rows, bad):
    x = np.ones((rows, 2), np.float32)
    x[-1, 0] = bad
    with pytest.raises(ReaderFailed, match="not finite"):
        session.run({"x": x})


def test_a_shape_that_fitted_does_not_excuse_the_next(session):
    session.run({"x": np.ones((1, 2), np.float32)})
    with pytest.raises(ReaderFailed, match=r"shape \(2, 1\)"):
        session.run({"x": np.ones((2, 1), np.float32)})
    with pytest.raises(ReaderFailed, match="float64"):
        session.run({"x": np.ones((1, 2))})
