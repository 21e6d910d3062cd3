"""Draw generated slides beside a real one at the same scale, to judge likeness by eye.

python benchmarks/generated_beside_real.py path/to/real.svs beside.png
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.slide.open_slide import open_slide
from pathoai.slide.reader import SlideReader
from pathoai.slide.resampled import read_grid, read_grid_block
from pathoai.testing.generated_slide import SlideRecipe, generate_slide

_CROP_PX = 512
_CROP_MPP = 0.5


def main() -> None:
    """Generate one slide of each organ, and write the picture."""
    from PIL import Image

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="a real slide")
    parser.add_argument("picture", type=Path, help="the PNG to write")
    options = parser.parse_args()
    columns = [_column(open_slide(options.real))]
    with tempfile.TemporaryDirectory() as folder:
        for organ in ("breast", "cervix"):
            path = Path(folder) / f"{organ}.svs"
            generate_slide(path, SlideRecipe(organ=organ, seed=3))  # type: ignore[arg-type]  # the loop loses the literal
            columns.append(_column(open_slide(path)))
    Image.fromarray(np.concatenate(columns, axis=1)).save(options.picture)
    print("left: real; middle: generated breast; right: generated cervix")


def _column(reader: SlideReader) -> NDArray[np.uint8]:
    """Thumbnail above, crop at the same scale for all below, ``(1024, 512, 3)`` uint8."""
    from PIL import Image

    with reader:
        overview = read_grid(reader, reader.info.grid(4.0))
        square = Image.new("RGB", (_CROP_PX, _CROP_PX), "white")
        small = Image.fromarray(overview)
        small.thumbnail((_CROP_PX, _CROP_PX))
        square.paste(small, (0, 0))
        grid = reader.info.grid(_CROP_MPP)
        x, y = _most_nuclei(overview, grid.size_px)
        crop = read_grid_block(reader, grid, x, y, Size(_CROP_PX, _CROP_PX))
    return np.concatenate([np.asarray(square), crop])


def _most_nuclei(overview: NDArray[np.uint8], size_px: Size) -> tuple[int, int]:
    from scipy import ndimage

    blue = ndimage.uniform_filter((overview[..., 0] + 20.0 < overview[..., 2]).astype(float), 64)
    row, column = np.unravel_index(int(blue.argmax()), blue.shape)
    factor = size_px.width / overview.shape[1]
    return (
        int(np.clip(column * factor - _CROP_PX / 2, 0, max(0, size_px.width - _CROP_PX))),
        int(np.clip(row * factor - _CROP_PX / 2, 0, max(0, size_px.height - _CROP_PX))),
    )


if __name__ == "__main__":
    main()
