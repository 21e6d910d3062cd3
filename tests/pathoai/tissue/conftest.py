"""Generated slides that the tests of tissue share; they are only read."""

from __future__ import annotations

import pytest

from tests.pathoai.tissue.thumbnails import Thumbnail, hematoxylin_eosin, restained


@pytest.fixture(scope="session")
def breast() -> Thumbnail:
    """Pieces of breast in H&E."""
    return hematoxylin_eosin("breast", 1, 0.5)


@pytest.fixture(scope="session")
def cervix() -> Thumbnail:
    """Pieces of cervix in H&E."""
    return hematoxylin_eosin("cervix", 2, 0.5)


@pytest.fixture(scope="session")
def biopsies() -> Thumbnail:
    """Four biopsies, 5 % of the slide."""
    return hematoxylin_eosin("breast", 4, 0.05)


@pytest.fixture(scope="session")
def ki67() -> Thumbnail:
    """The cervix stained for Ki67."""
    return restained("cervix", 2, 0.5)
