"""Readings come back as they were, heat maps bit by bit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeping import House

from coread.archive import Readings, reading_from_json, reading_to_json
from coread.domain.codes import CHEST, CONSOLIDATION, NO_UNITS, PROBABILITY, SOLID, TEXTURE
from coread.domain.finding import (
    Box,
    Characteristic,
    Choice,
    Confidence,
    Finding,
    HeatMap,
    Measurement,
    Outline,
    Presence,
    SimilarCase,
)
from coread.domain.reading import Outcome, Prompt, ReaderIdentity, Reading, Reason
from coread.domain.study import InstanceRef
from coread.errors import NotFound

REF = InstanceRef("1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.1.1")
READER = ReaderIdentity("chest", "1.0", "CoRead", "ab" * 32)


def refusal(version: int = 1, reader: str = "chest") -> Reading:
    identity = ReaderIdentity(reader, "1.0", "CoRead", "")
    return Reading("1.2", version, identity, Outcome.REFUSED, (REF,), reason=Reason("no", "No.", "不"))


fractions = st.floats(0, 1)
floats = st.floats(allow_nan=False, allow_infinity=False, width=32)
heat_maps = st.builds(
    lambda rows, columns, seed: HeatMap(
        np.random.default_rng(seed).random((rows, columns), dtype=np.float32),
        Box(0.5, 1.25, 100, 200),
        2,
        "class activation map",
    ),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 99),
)
outlines = st.builds(
    lambda rows, columns, seed: Outline.of(
        np.pad(
            np.random.default_rng(seed).random((rows, columns)) < 0.5, ((1, 2), (3, 4)), constant_values=True
        ),
        REF,
        3,
    ),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 99),
)
TEXTURE_IS_SOLID = Characteristic(
    TEXTURE,
    SOLID,
    Confidence(0.75, 0.5, 1, 0.9, "site B", "乙院"),
    (Choice(SOLID, 0.75), Choice(CONSOLIDATION, 0.25)),
)
findings = st.builds(
    Finding,
    code=st.just(CONSOLIDATION),
    presence=st.sampled_from(Presence),
    confidence=st.lists(fractions, min_size=3, max_size=3).map(
        lambda three: Confidence(sorted(three)[1], min(three), max(three), 0.9, "site A")
    ),
    image=st.just(REF),
    site=st.sampled_from([None, CHEST]),
    tracking_uid=st.just("2.25.1"),
    tracking_id=st.text(max_size=9),
    boxes=st.lists(
        st.builds(Box, floats, floats, floats, floats, st.sampled_from([None, SOLID])), max_size=2
    ).map(tuple),
    measurements=st.lists(
        st.builds(Measurement, st.just(PROBABILITY), floats, st.just(NO_UNITS))
        | st.just(Measurement(PROBABILITY, 4.0, NO_UNITS, 3.5, 4.25, 0.9)),
        max_size=2,
    ).map(tuple),
    heat_map=st.none() | heat_maps,
    frame=st.integers(1, 9),
    outlines=st.lists(outlines, max_size=2).map(tuple),
    characteristics=st.lists(st.just(TEXTURE_IS_SOLID), max_size=1).map(tuple),
    similar=st.lists(st.builds(SimilarCase, st.text(max_size=9), fractions), max_size=2).map(tuple),
)
prompts = st.none() | st.one_of(
    st.builds(lambda x, y: Prompt(REF, 2, (x, y)), floats, floats),
    st.builds(lambda x, y: Prompt(REF, 1, box=Box(x, y, 1.5, 2)), floats, floats),
)


@given(st.lists(findings, max_size=3).map(tuple), st.integers(1, 9), prompts)
def test_a_reading_comes_back_as_it_was(found, version, prompt):
    refs = (REF, REF)
    reading = Reading("1.2", version, READER, Outcome.FINDINGS, refs, found, None, "2.25.7", prompt)
    again = reading_from_json(reading_to_json(reading))
    assert again == reading
    assert again.uid == reading.uid


def test_what_was_kept_before_findings_had_more_parts_is_read() -> None:
    heat = HeatMap(np.ones((1, 1), np.float32), Box(0, 0, 1, 1), 4, "map")
    confidence, box = Confidence(0.5, 0.4, 0.6), Box(1, 2, 3, 4)
    measured = Measurement(PROBABILITY, 1.0, NO_UNITS)
    common = (CONSOLIDATION, Presence.PRESENT, confidence, REF, None, "2.25.1", "x", (box,), (measured,))
    kept = json.loads(
        reading_to_json(Reading("1.2", 1, READER, Outcome.FINDINGS, (), (Finding(*common, heat),)))
    )
    del kept["prompt"]
    for name in ("frame", "outlines", "characteristics", "similar"):
        del kept["findings"][0][name]
    del kept["findings"][0]["confidence"]["calibrated_on_zh"]
    for name in ("label", "probability"):
        del kept["findings"][0]["boxes"][0][name]
    for name in ("lower", "upper", "level"):
        del kept["findings"][0]["measurements"][0][name]
    again = reading_from_json(json.dumps(kept))
    assert again.findings == (Finding(*common, heat, frame=4),)
    assert again.prompt is None


def test_a_reading_is_saved_once(house: House) -> None:
    readings = Readings(house.database)
    for _ in range(2):
        readings.save(refusal())
    assert readings.of_study("1.2") == (refusal(),)
    assert readings.get(refusal().uid) == refusal()


def test_readings_of_a_study_are_ordered(house: House) -> None:
    readings = Readings(house.database)
    for reading in (refusal(2, "b"), refusal(1, "b"), refusal(2, "a")):
        readings.save(reading)
    places = [(r.study_version, r.reader.name) for r in readings.of_study("1.2")]
    assert places == [(1, "b"), (2, "a"), (2, "b")]
    assert readings.of_study("1.3") == ()


def test_an_unknown_reading_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        Readings(house.database).get("2.25.1")
