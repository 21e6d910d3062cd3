"""A registration as a file: whole, or refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from pathoai.errors import MissingFileError, PathoaiError, StorageError, StoreError
from pathoai.registration.landmarks import LandmarkError
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import RegistrationQuality, tile_grid
from pathoai.registration.transform import SlideTransform
from pathoai.store.slide_store import SlideStore
from tests.pathoai.registration.placed_slides import FIXED, MOVING, affine, bent


def quality(tile_um: float = 64.0) -> RegistrationQuality:
    grid = tile_grid(FIXED, tile_um)
    shape = grid.size_px.height, grid.size_px.width
    generator = np.random.default_rng(4)
    similarity = generator.uniform(-1, 1, shape).astype(np.float32)
    similarity[0] = np.nan
    return RegistrationQuality(
        tile_um,
        grid,
        similarity,
        generator.uniform(0, 9, shape).astype(np.float32),
        generator.integers(0, 3, shape).astype(np.uint8),
    )


@pytest.fixture
def registration() -> Registration:
    marks = LandmarkError(12, 0.8, 2.1, 3.5, FIXED.diagonal_um)
    return Registration(bent(2), quality(), marks, {"seconds": 1.5, "software": {"numpy": "2"}})


def test_it_comes_back_as_it_was(registration: Registration, tmp_path: Path) -> None:
    path = tmp_path / "registration" / "a--b.npz"
    registration.save(path)
    found = Registration.load(path)
    assert found.transform.fixed == FIXED
    assert found.transform.moving == MOVING
    assert np.array_equal(found.transform.affine, registration.transform.affine)
    points = np.random.default_rng(0).uniform(0, 900, (20, 2))
    assert np.array_equal(
        found.transform.to_moving(points), registration.transform.to_moving(points)
    )
    for name in ("similarity", "residual_um", "state"):
        ours, theirs = getattr(registration.quality, name), getattr(found.quality, name)
        assert np.array_equal(ours, theirs, equal_nan=True)
        assert ours.dtype == theirs.dtype
    assert found.quality.tile_um == registration.quality.tile_um
    assert found.landmarks == registration.landmarks
    assert found.about == registration.about
    assert found.sha256 == registration.sha256
    assert [p.name for p in path.parent.iterdir()] == ["a--b.npz"]


def test_without_field_and_landmarks_too(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    Registration(SlideTransform(FIXED, MOVING, affine(3)), quality()).save(path)
    found = Registration.load(path)
    assert found.transform.displacement is None
    assert found.landmarks is None


def test_every_truncation_and_every_changed_byte_is_refused(
    registration: Registration, tmp_path: Path
) -> None:
    path = tmp_path / "a.npz"
    registration.save(path)
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for length in [0, 1, *generator.integers(0, len(whole), 40).tolist()]:
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match="damaged"):
            Registration.load(path)
    points = np.random.default_rng(0).uniform(0, 900, (20, 2))
    for place in generator.integers(0, len(whole), 300).tolist():
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            found = Registration.load(path)
        except PathoaiError:
            continue
        # Dates and the like in the zip's directory say nothing of the registration.
        assert found.sha256 == registration.sha256
        assert np.isfinite(found.transform.to_moving(points)).all()


def test_pickles_and_other_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, allow_pickle=True, header=np.array([{"version": 1}], dtype=object))
    with pytest.raises(StoreError, match="damaged"):
        Registration.load(path)
    np.savez(path, affine=np.eye(2, 3))
    with pytest.raises(StoreError, match="damaged"):
        Registration.load(path)
    plain = io.BytesIO()
    np.save(plain, np.eye(3))
    path.write_bytes(plain.getvalue())
    with pytest.raises(StoreError, match="damaged"):
        Registration.load(path)


def test_another_version_is_refused(
    registration: Registration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npz"
    monkeypatch.setattr("pathoai.registration.saved_registration.FORMAT_VERSION", 7)
    registration.save(path)
    monkeypatch.undo()
    with pytest.raises(StoreError, match="version 7"):
        Registration.load(path)


def test_what_is_not_there_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="pathoai register"):
        Registration.load(tmp_path / "a--b.npz")


def test_a_folder_that_is_a_file_is_said_in_one_line(
    registration: Registration, tmp_path: Path
) -> None:
    (tmp_path / "registration").write_text("")
    with pytest.raises(StorageError):
        registration.save(tmp_path / "registration" / "a.npz")


def test_it_fits_the_pixels_that_were_aligned_alone(
    registration: Registration, tiled_store: Path
) -> None:
    store = SlideStore(tiled_store)
    with pytest.raises(StoreError, match="other pixels"):
        registration.check_fits(store, store)
