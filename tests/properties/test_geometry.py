"""Planes in the patient: there and back again, and slices in order however they come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_files import real_file

from coread.dicom import Plane, open_object, order_along_normal
from coread.testing import chest_radiograph, ct_slice

lengths = st.floats(0.01, 10, allow_nan=False)
coordinates = st.floats(-1000, 1000, allow_nan=False)


@st.composite
def planes(draw):
    """Draw any plane: a rotation from a random quaternion, a place, a spacing."""
    quaternion = np.array(draw(st.lists(st.floats(-1, 1), min_size=4, max_size=4)))
    norm = np.linalg.norm(quaternion)
    w, x, y, z = quaternion / norm if norm > 1e-3 else np.array([1.0, 0, 0, 0])
    along_row = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)])
    along_column = np.array([2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)])
    origin = np.array(draw(st.lists(coordinates, min_size=3, max_size=3)))
    return Plane(origin, along_row, along_column, (draw(lengths), draw(lengths)))


@given(planes(), st.floats(-5000, 5000), st.floats(-5000, 5000))
def test_a_pixel_goes_to_the_patient_and_comes_back(plane, row, column):
    back = plane.index_of(plane.point_lps_mm(row, column))
    np.testing.assert_allclose(back[:2], (row, column), atol=1e-4)
    assert abs(back[2]) < 1e-6 * max(1, abs(row), abs(column)) * 10


@given(planes(), st.floats(-100, 100))
def test_a_point_off_the_plane_knows_its_distance(plane, distance_mm):
    point = plane.point_lps_mm(3, 4) + distance_mm * plane.normal
    row, column, found = plane.index_of(point)
    assert found == pytest.approx(distance_mm, abs=1e-6)
    assert (row, column) == (pytest.approx(3, abs=1e-3), pytest.approx(4, abs=1e-3))


@given(planes())
def test_the_three_directions_are_of_unit_length_and_square(plane):
    axes = np.stack([plane.along_row, plane.along_column, plane.normal])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1)


@given(planes(), st.permutations(range(9)))
def test_slices_come_in_order_however_they_are_shuffled(plane, shuffled):
    stack = [
        Plane(
            plane.origin_lps_mm + 2.5 * n * plane.normal,
            plane.along_row,
            plane.along_column,
            plane.spacing_mm,
        )
        for n in range(9)
    ]
    found = [shuffled[i] for i in order_along_normal([stack[n] for n in shuffled])]
    assert found in (list(range(9)), list(range(8, -1, -1)))
    assert found == [[*range(9)][i] for i in order_along_normal(stack)]


def test_no_planes_have_no_order():
    assert order_along_normal([]) == ()


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(5)))
def test_real_objects_are_sorted_by_place_not_by_arrival(order):
    found = [open_object(ct_slice(position=n)).plane() for n in order]
    assert [order[i] for i in order_along_normal(found)] == [0, 1, 2, 3, 4]


def test_an_axial_slice_runs_from_head_to_foot():
    plane = open_object(ct_slice(position=3)).plane()
    assert plane.point_lps_mm(0, 0).tolist() == [-80, -80, 6]
    assert plane.point_lps_mm(row=2, column=0).tolist() == [-80, -75, 6]
    assert plane.normal.tolist() == [0, 0, 1]


def test_frames_of_an_enhanced_object_have_planes_of_their_own():
    found = open_object(real_file("eCT_Supplemental.dcm"))
    first, second = found.plane(1), found.plane(2)
    assert first is not None
    assert second is not None
    assert not np.allclose(first.origin_lps_mm, second.origin_lps_mm)


def test_objects_without_a_place():
    assert open_object(chest_radiograph()).plane() is None
    skewed = ct_slice(facts={"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]})
    assert open_object(skewed).plane() is None
    partial = ct_slice(facts={"ImagePositionPatient": None})
    assert open_object(partial).plane() is None
