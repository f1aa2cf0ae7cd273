"""Pseudonyms and dates: consistent, told from a stranger's, the same when made twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coread.domain.identity import is_uid
from coread.governance.deidentify import Pseudonyms
from coread.governance.deidentify.header.subject import told_age
from coread.governance.deidentify.replacing import dummy_of, shift_date, shift_datetime

ONE = Pseudonyms(b"k" * 32, "one")
OTHER = Pseudonyms(b"k" * 32, "two")
uids = st.lists(st.integers(0, 10**9), min_size=4, max_size=6).map(lambda n: "1.2." + ".".join(map(str, n)))


@given(uids)
def test_a_uid_is_replaced_once(uid):
    new = ONE.uid(uid)
    assert is_uid(new)
    assert len(new) <= 64
    assert new != uid
    assert ONE.uid(new) == new
    assert Pseudonyms(b"k" * 32, "one").uid(uid) == new
    assert OTHER.uid(uid) != new
    assert not OTHER.is_own_uid(new)


@given(st.integers(0, (1 << 128) - 1))
def test_a_strangers_uuid_is_not_taken_for_ours(number):
    assert not ONE.is_own_uid(f"2.25.{number}")


def test_the_standards_uids_stay():
    assert ONE.uid("1.2.840.10008.1.4.1.1") == "1.2.840.10008.1.4.1.1"
    assert ONE.uid("") == ""


@given(st.text(min_size=1, max_size=64))
def test_a_patient_is_replaced_once(number):
    new = ONE.patient(number)
    assert ONE.patient(new) == new
    assert OTHER.patient(number) != new
    assert not ONE.is_own_patient(new[:-1] + ("A" if new[-1] != "A" else "B"))


@given(st.text(min_size=1, max_size=20))
def test_dates_move_by_whole_weeks_into_the_past_and_only_once(number):
    days = ONE.shift_days(number, 182, 3650, whole_weeks=True)
    assert -3650 <= days <= -182
    assert days % 7 == 0
    assert ONE.shift_days(ONE.patient(number), 182, 3650, whole_weeks=True) == 0


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        Pseudonyms(b"short", "x")


@given(st.dates(min_value=__import__("datetime").date(1910, 1, 1)), st.integers(-3000, 3000))
def test_a_date_moved_there_and_back_is_the_same(day, days):
    text = f"{day:%Y%m%d}"
    moved = shift_date(text, days)
    assert moved is None or shift_date(moved, -days) == text


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        ("20240102", "20231226"),
        ("20240102\\20240109", "20231226\\20240102"),
        ("", ""),
        ("2024", "2024"),
        ("NOT A DATE", None),
        ("20241399", None),
        ("00010101", None),
    ],
)
def test_dates(value, moved):
    assert shift_date(value, -7) == moved


def test_a_datetime_keeps_its_time_and_zone():
    assert shift_datetime("20240102235959.123456+0800", -7) == "20231226235959.123456+0800"
    assert shift_datetime("20240102", -7) == "20231226"
    assert shift_date("20240102235959", -7) is None


@pytest.mark.parametrize(
    ("age", "cap", "bins", "told"),
    [
        (b"093Y", 89, 1, b"090Y"),
        (b"089Y", 89, 1, b"089Y"),
        (b"047Y", 89, 5, b"045Y"),
        (b"009M", 89, 5, b"009M"),
        (b"093Y", None, 1, b"093Y"),
        (b"old", 89, 1, b""),
    ],
)
def test_ages(age, cap, bins, told):
    assert told_age(age, cap, bins) == told


def test_a_dummy_fits_its_representation():
    assert dummy_of(b"DA") == b"19000101"
    assert len(dummy_of(b"FD")) == 8
    assert dummy_of(b"OB") == b"\0\0"
