"""What passes between a process and its child: plain arrays as they were, and nothing else."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coread.apart import messages
from coread.apart.messages import HEAD, KINDS, packed, unpacked


def taking(data: bytes):
    """Give bytes as a pipe does, with its end."""
    left = io.BytesIO(data)

    def take(size: int) -> bytearray:
        assert size <= messages.MOST_BYTES
        taken = bytearray(left.read(size))
        if len(taken) < size:
            raise EOFError
        return taken

    return take


def message(facts: object, data: bytes = b"") -> bytes:
    text = json.dumps(facts).encode()
    return HEAD.pack(len(text)) + text + data


arrays = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: hnp.arrays(np.dtype(kind), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)


@given(st.lists(arrays, max_size=4))
def test_arrays_come_as_they_were(sent):
    facts, found = unpacked(taking(b"".join(map(bytes, packed({"a": 1}, sent)))))
    assert facts == {"a": 1}
    assert [(a.dtype, a.shape, a.tobytes()) for a in found] == [(a.dtype, a.shape, a.tobytes()) for a in sent]


@given(st.lists(st.binary(max_size=5), max_size=6), st.integers(0, 30))
def test_what_is_left_to_write_is_what_was_not_written(parts, written):
    assert b"".join(map(bytes, messages.rest(parts, written))) == b"".join(parts)[written:]
    assert all(messages.rest(parts, written))


def test_an_array_that_does_not_lie_in_one_piece_comes_in_its_order():
    sent = np.arange(12, dtype=np.float32).reshape(3, 4).T
    (found,) = unpacked(taking(b"".join(map(bytes, packed({}, [sent])))))[1]
    np.testing.assert_array_equal(found, sent)


@pytest.mark.parametrize("kind", ["O", "U1", "c8", "M8[s]"])
def test_what_is_no_plain_number_is_not_sent(kind):
    with pytest.raises(ValueError, match="an array of"):
        packed({}, [np.zeros(1, kind)])


@pytest.mark.parametrize(
    "told",
    [
        [],
        "arrays",
        {},
        {"arrays": 1},
        {"arrays": [["|O", [1]]]},
        {"arrays": [[1, [1]]]},
        {"arrays": [["<f4"]]},
        {"arrays": [["<f4", 3]]},
        {"arrays": [["<f4", [-1]]]},
        {"arrays": [["<f4", [1.5]]]},
        {"arrays": [["<f4", [True]]]},
        {"arrays": [["<f4", [1] * 33]]},
        {"arrays": [["<f4", [1 << 28, 2]]]},
        {"arrays": [["|u1", [1 << 30]], ["|u1", [1]]]},
    ],
)
def test_what_no_message_says_is_refused_before_room_is_made_for_it(told):
    with pytest.raises(ValueError, match=r".+"):
        unpacked(taking(message(told, bytes(64))))


def test_a_text_beyond_all_measure_or_depth_is_refused():
    with pytest.raises(ValueError, match="a text of"):
        unpacked(taking(HEAD.pack(messages.MOST_TEXT_BYTES + 1)))
    deep = b"[" * 100_000
    with pytest.raises(ValueError, match="tells of no arrays"):
        unpacked(taking(HEAD.pack(len(deep)) + deep))


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_message_or_none(noise, is_text):
    try:
        unpacked(taking(HEAD.pack(len(noise)) + noise if is_text else noise))
    except (ValueError, EOFError):
        return
