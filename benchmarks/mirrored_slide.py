"""Make the benchmarks' slide: real pixels, mirrored over and over on glass, in an Aperio pyramid.

python benchmarks/mirrored_slide.py path/to/real.svs slide.svs --side 23040

Mirroring leaves no seams, so the tiles compress, and are found as tissue, as real ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.progress import progress_bar
from pathoai.slide.open_slide import open_slide
from pathoai.testing.pyramid_tiff import TILE_PX, PyramidDescription, write_pyramid

_GLASS = 243
_BORDER = 0.04
"""Share of the side that is glass, on each side."""


def mirrored_slide(real: Path, target: Path, side_px: int) -> None:
    """Write a square slide of ``side_px`` level-0 pixels, at the real slide's scale."""
    with open_slide(real) as reader:
        pixels = reader.read_region(0, 0, 0, reader.info.size)
        mpp = reader.info.mpp.mean
    # Scanned areas end in padding that no tissue has.
    pixels = pixels[:-64, :-64]
    border = round(side_px * _BORDER)
    # Columns once, with those that the writer asks for past the edge: rows are then copied whole.
    columns = np.arange(side_px + TILE_PX)
    wide = np.take(pixels, mirrored(columns, pixels.shape[1]), axis=1)
    wide[:, (columns < border) | (columns >= side_px - border)] = _GLASS

    def paint(x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        rows = np.arange(y, y + height)
        picture = wide[mirrored(rows, len(wide)), x : x + width]
        picture[(rows < border) | (rows >= side_px - border)] = _GLASS
        return picture

    about = PyramidDescription(side_px, side_px, mpp, "aperio", 20.0, "MIRRORED")
    with progress_bar("painting") as advance:
        write_pyramid(target, description=about, paint=paint, progress=advance)


def mirrored(positions: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Positions folded back and forth into 0 … length - 1."""
    folded = positions % (2 * length)
    return np.minimum(folded, 2 * length - 1 - folded)


def main() -> None:
    """Write the slide that the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="a real slide")
    parser.add_argument("target", type=Path, help="the slide to write")
    parser.add_argument("--side", type=int, default=23_040, help="level-0 pixels")
    options = parser.parse_args()
    mirrored_slide(options.real, options.target, options.side)


if __name__ == "__main__":
    main()
