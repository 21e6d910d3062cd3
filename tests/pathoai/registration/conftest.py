"""Sections in two stains, painted once for all tests."""

from __future__ import annotations

import pytest
import torch

from tests.pathoai.registration.twin_pictures import TwinPictures, paint_twins


@pytest.fixture(scope="session")
def breast() -> TwinPictures:
    """A breast section in H&E and AE1/AE3."""
    return paint_twins(3)


@pytest.fixture(scope="session")
def other_breast() -> TwinPictures:
    """Another one, in H&E and Ki-67."""
    return paint_twins(4, marker="MKI67")


@pytest.fixture(scope="session")
def cervix() -> TwinPictures:
    """A cervix section in H&E and Ki-67."""
    return paint_twins(5, organ="cervix", marker="MKI67")


@pytest.fixture
def cpu() -> torch.device:
    """Where tests compute."""
    return torch.device("cpu")
