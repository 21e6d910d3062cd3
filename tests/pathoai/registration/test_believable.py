"""Two sections are never taken for one, and one section never for two."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from pathoai.errors import AlignmentError
from pathoai.registration.affine import refine_affine
from pathoai.registration.affine_map import AffineMap, apply
from pathoai.registration.agreement import Agreement, Evidence
from pathoai.registration.believable import NEIGHBOURS, check_believable, is_believable
from pathoai.registration.rigid_search import find_start
from pathoai.registration.structure import StructureImage
from tests.pathoai.registration.twin_pictures import TwinPictures, structure

# The images are scans of 0.174 and 0.227 µm per pixel at a twentieth.
_LUNG_MPP, _KIDNEY_MPP = 3.48, 4.54
_BIRL, _LESION = Path("registration/birl"), Path("registration/lung_lesion_3")
_LESION_IMAGES = _LESION / "lung-lesion_3/scale-5pc"
_LESION_POINTS = _LESION / "annotations/user-PS_scale-50pc"


def _aligned(
    fixed: StructureImage, moving: StructureImage, device: torch.device
) -> tuple[AffineMap, Evidence]:
    start, _ = find_start(fixed, moving, device=device)
    return refine_affine(fixed, moving, start, device=device)


def _picture(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("RGB"))


def _points(path: Path, factor: float = 1.0) -> NDArray[np.float64]:
    with path.open() as file:
        rows = list(csv.reader(file))[1:]
    return np.array([[float(value) for value in row[1:3]] for row in rows]) * factor


def _case(name: str) -> tuple[str, str, str, str, float, float]:
    """Pictures and points of a real pair below the data folder, factor of points, µm per pixel."""
    if name in ("lesions_", "rat-kidney_"):
        he, ihc, mpp = {
            "lesions_": ("Izd2-29-041-w35_HE", "Izd2-29-041-w35_proSPC", _LUNG_MPP),
            "rat-kidney_": ("Rat-Kidney_HE", "Rat-Kidney_PanCytokeratin", _KIDNEY_MPP),
        }[name]
        folder = _BIRL / name / "scale-5pc"
        files = [str(folder / f"{file}.{end}") for end in ("jpg", "csv") for file in (he, ihc)]
        return files[0], files[1], files[2], files[3], 1.0, mpp
    he, ihc = (f"29-041-Izd2-w35-{stain}-les3" for stain in ("He", name))
    return (
        str(_LESION_IMAGES / f"{he}.jpg"),
        str(_LESION_IMAGES / f"{ihc}.jpg"),
        str(_LESION_POINTS / f"{he}.csv"),
        str(_LESION_POINTS / f"{ihc}.csv"),
        0.1,
        _LUNG_MPP,
    )


@pytest.mark.parametrize(
    "name", ["lesions_", "rat-kidney_", "Ki67-7", "CD31-3", "proSPC-4", "Cc10-5"]
)
def test_real_pairs_are_aligned_and_believed(real_data: Path, cpu: torch.device, name: str) -> None:
    he, ihc, he_points, ihc_points, factor, mpp = _case(name)
    fixed, moving = (structure(_picture(real_data / file), mpp) for file in (he, ihc))
    places, found = (_points(real_data / file, factor) * mpp for file in (he_points, ihc_points))
    count = min(len(places), len(found))
    affine, evidence = _aligned(fixed, moving, cpu)
    misses = np.linalg.norm(apply(affine, places[:count]) - found[:count], axis=-1)
    assert is_believable(evidence)
    # Neighbouring sections differ by more than an affine map; the best one leaves 16 to 35 µm.
    assert np.median(misses) < 60


def test_sections_of_two_patients_are_refused(
    breast: TwinPictures, other_breast: TwinPictures, cpu: torch.device
) -> None:
    _, evidence = _aligned(structure(breast.he), structure(other_breast.ihc), cpu)
    assert not is_believable(evidence)


def test_a_small_biopsy_is_aligned_and_another_refused(
    breast: TwinPictures, other_breast: TwinPictures, cpu: torch.device
) -> None:
    """Tissue of 0.3 mm: at the scales of whole sections it has no square without outline."""
    part, around = np.s_[450:750, 450:750], np.s_[400:800, 400:800]
    fixed = structure(breast.he[part])
    affine, evidence = _aligned(fixed, structure(breast.ihc[around]), cpu)
    inside = ((breast.places > 450) & (breast.places < 750)).all(axis=1)
    misses = apply(affine, breast.places[inside] - 450) - (breast.found[inside] - 400)
    assert is_believable(evidence)
    assert np.median(np.linalg.norm(misses, axis=-1)) < 5
    _, evidence = _aligned(fixed, structure(other_breast.ihc[around]), cpu)
    assert not is_believable(evidence)


def test_another_lesion_of_the_same_patient_is_refused(real_data: Path, cpu: torch.device) -> None:
    he = structure(_picture(real_data / _case("lesions_")[0]), _LUNG_MPP)
    ihc = structure(_picture(real_data / _case("proSPC-4")[1]), _LUNG_MPP)
    _, evidence = _aligned(he, ihc, cpu)
    with pytest.raises(AlignmentError, match=r"A--B: .*same section.*squares.*allowed"):
        check_believable(evidence, fixed="A", moving="B")


def _evidence(squares: int, agreeing: int) -> Evidence:
    return Evidence((Agreement(8.0, squares, agreeing, 24.0, 0.026, 0.5),))


def test_few_squares_prove_nothing() -> None:
    assert is_believable(_evidence(100, 90))
    assert not is_believable(_evidence(4, 4))
    assert not is_believable(_evidence(12, 12))
    assert not is_believable(_evidence(0, 0))
    assert not is_believable(_evidence(1000, 26))


def test_strength_is_chernoffs_bound() -> None:
    """None where half agree at a chance of a half; squares × ln 2 where all do."""
    level = Agreement(8.0, 10, 10, 24.0, 0.5, 0.5)
    assert level.strength == pytest.approx(10 * np.log(2))
    assert Agreement(8.0, 10, 5, 24.0, 0.5, 0.5).strength == 0


def test_neighbouring_sections_have_fewer_squares_that_must_say_more() -> None:
    assert not is_believable(_evidence(12, 11))
    assert is_believable(_evidence(12, 11), NEIGHBOURS)
    assert is_believable(_evidence(69, 20), NEIGHBOURS)
    assert not is_believable(_evidence(69, 20)), "too small a share of one section"
    assert not is_believable(_evidence(125, 17), NEIGHBOURS)
    assert not is_believable(_evidence(17, 5), NEIGHBOURS)
    assert not is_believable(_evidence(4, 4), NEIGHBOURS)
    with pytest.raises(AlignmentError, match="at least 8 squares"):
        check_believable(_evidence(7, 7), fixed="A", moving="B", belief=NEIGHBOURS)
