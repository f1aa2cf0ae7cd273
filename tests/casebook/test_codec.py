"""Any value of a review comes back from JSON as it went in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from coread.casebook import from_json, to_json
from coread.domain.codes import Code
from coread.domain.finding import Measurement
from coread.domain.review import Decision, Draft, Impression, SignedReport, Statement
from coread.review import Filter

words = st.text(min_size=1, max_size=8)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda at: at.replace(fold=0)
)
numbers = st.floats(allow_nan=False)
concepts = st.builds(Code, words, words, words, words)
measurements = st.builds(Measurement, concepts, numbers, concepts)
statements = st.builds(
    Statement,
    code=concepts,
    site=st.none() | concepts,
    measurements=st.lists(measurements, max_size=2).map(tuple),
    outline=st.lists(st.tuples(numbers, numbers), max_size=3).map(tuple),
)
decisions = st.builds(Decision, statement=st.none() | statements, at=times, active_s=numbers)
impressions = st.builds(Impression, at=times, confidence=numbers)
drafts = st.builds(Draft)
reports = st.builds(
    SignedReport,
    draft=drafts,
    decisions=st.lists(decisions, max_size=2).map(tuple),
    signed_at=times,
    impression=st.none() | impressions,
)


@given(st.one_of(decisions, drafts, impressions, reports))
def test_values_of_a_review(value: object) -> None:
    text = to_json(value)
    back = from_json(type(value), text)
    assert back == value
    assert to_json(back) == text


def test_filters_and_texts_of_any_script() -> None:
    wanted = Filter(text="王\u2028<script>'\"\\")
    assert from_json(Filter, to_json(wanted)) == wanted


def test_a_field_that_is_new_takes_its_default_and_one_that_is_gone_is_passed_over() -> None:
    @dataclass(frozen=True)
    class Old:
        name: str
        gone: int = 1

    text = to_json(Old("x"))
    assert from_json(Filter, text) == Filter()
