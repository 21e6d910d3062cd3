"""LazySlide's whole command: tissue, its tiles of 256 px, 1,000 of them read; its store is written.

Runs in LazySlide's own environment, started by whole_command.py: SLIDE FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import lazyslide


def main() -> None:
    """Find, tile, read and write."""
    slide, folder = sys.argv[1:]
    wsi = lazyslide.open_wsi(slide, store=str(Path(folder) / "slide.zarr"))
    lazyslide.pp.find_tissues(wsi)
    lazyslide.pp.tile_tissues(wsi, 256)
    images = wsi.ds.tile_images()
    for item in range(min(1000, len(images))):
        images[item]
    wsi.write()
    print(json.dumps({"tiles": len(images)}))


if __name__ == "__main__":
    main()
