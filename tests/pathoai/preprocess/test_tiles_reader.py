"""A slide read by its compressed tiles is the slide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pathoai.geometry import Size
from pathoai.preprocess.tiles_reader import TilesReader
from pathoai.slide.open_slide import open_slide
from pathoai.store.copy_tiles import TilesToCopy, tiles_to_copy
from pathoai.testing.generated_slide import SlideTruth


@pytest.mark.parametrize("known", [True, False])
def test_it_gives_what_the_reader_gives(
    known: bool, two_level_slide: tuple[Path, SlideTruth]
) -> None:
    path, _ = two_level_slide
    with (
        open_slide(path) as plain,
        TilesReader(
            (slide := open_slide(path)),
            tiles_to_copy(path, slide) if known else TilesToCopy((), ()),
        ) as reader,
    ):
        assert reader.info == plain.info
        for level, x, y in ((0, 0, 0), (0, 1900, 1700), (1, 0, 0), (1, 1200, 1000)):
            found = reader.read_region(x, y, level, Size(600, 500))
            expected = plain.read_region(x, y, level, Size(600, 500))
            np.testing.assert_array_equal(found, expected)
