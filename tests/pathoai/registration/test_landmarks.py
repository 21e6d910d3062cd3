"""Landmarks: how far they are missed, and what of their tables is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pathoai.errors import InvalidValueError, MissingFileError
from pathoai.registration.landmarks import LandmarkError, landmark_error, read_landmarks
from tests.pathoai.registration.placed_slides import FIXED, bent


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf8")
    return path


def test_errors_are_those_of_the_definition() -> None:
    transform = bent()
    fixed = np.random.default_rng(1).uniform(200, 1400, (200, 2))
    missed = np.random.default_rng(2).normal(0, 3, (200, 2))
    moving = transform.to_moving_px(fixed + missed)
    found = landmark_error(transform, fixed, moving)
    length = np.linalg.norm(missed, axis=1) * 0.5
    assert found.count == 200
    assert found.median_um == pytest.approx(np.median(length), abs=1e-3)
    assert found.p90_um == pytest.approx(np.percentile(length, 90), abs=1e-3)
    assert found.largest_um == pytest.approx(length.max(), abs=1e-3)
    diagonal = np.hypot(1000, 800)
    assert found.diagonal_um == pytest.approx(diagonal)
    assert found.median_rtre == pytest.approx(found.median_um / diagonal)
    assert found.p90_rtre == pytest.approx(found.p90_um / diagonal)


def test_they_come_in_pairs() -> None:
    with pytest.raises(InvalidValueError, match="pairs"):
        landmark_error(bent(), np.zeros((3, 2)), np.zeros((2, 2)))
    with pytest.raises(InvalidValueError, match="pairs"):
        landmark_error(bent(), np.zeros((0, 2)), np.zeros((0, 2)))


def test_tables_are_paired_by_name(tmp_path: Path) -> None:
    fixed = written(tmp_path, "a.csv", " ,X,Y\n1,10,20\n2,30.5,40\n")
    moving = written(tmp_path, "b.csv", "id,x,y\n2,3,4\n1,1,2\n")
    ours, theirs = read_landmarks(fixed, moving)
    assert ours.tolist() == [[10, 20], [30.5, 40]]
    assert theirs.tolist() == [[1, 2], [3, 4]]


def test_tables_without_names_are_paired_by_order(tmp_path: Path) -> None:
    fixed = written(tmp_path, "a.csv", "x,y\n10,20\n30,40\n")
    ours, theirs = read_landmarks(fixed, fixed)
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x,y\n",
        "x;y\n1;2\n",
        "id,x,y,z\n1,2,3,4\n",
        "x,y\n1,two\n",
        "x,y\n1\n",
        "x,y\n1,nan\n",
        "id,x,y\n1,2,3\n1,4,5\n",
    ],
)
def test_what_is_no_table_of_landmarks_is_refused(tmp_path: Path, text: str) -> None:
    good = written(tmp_path, "good.csv", "x,y\n1,2\n")
    with pytest.raises(InvalidValueError, match=r"bad\.csv"):
        read_landmarks(written(tmp_path, "bad.csv", text), good)


def test_a_landmark_on_one_slide_alone_is_named(tmp_path: Path) -> None:
    fixed = written(tmp_path, "a.csv", "id,x,y\nnotch,1,2\ntip,3,4\n")
    moving = written(tmp_path, "b.csv", "id,x,y\nnotch,1,2\n")
    with pytest.raises(InvalidValueError, match="tip"):
        read_landmarks(fixed, moving)


def test_a_missing_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        read_landmarks(tmp_path / "none.csv", tmp_path / "none.csv")


def test_numbers_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidValueError):
        LandmarkError(3, 2.0, 1.0, 3.0, FIXED.diagonal_um)
