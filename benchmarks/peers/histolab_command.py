"""histolab's whole command: tissue, and up to 1,000 tissue tiles of 256 px written as PNG.

Runs in histolab's own environment, started by whole_command.py: SLIDE FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import openslide_bin  # noqa: F401  # histolab's openslide-python finds the library once it is loaded
from histolab.masks import TissueMask
from histolab.slide import Slide
from histolab.tiler import RandomTiler


def main() -> None:
    """Write the tiles."""
    slide, folder = sys.argv[1:]
    # Of histolab's tilers only this one can be limited; a grid of all tiles costs in proportion.
    tiler = RandomTiler((256, 256), n_tiles=1000)
    tiler.extract(Slide(slide, processed_path=folder), TissueMask(), log_level="ERROR")
    print(json.dumps({"tiles": len(list(Path(folder).glob("*.png")))}))


if __name__ == "__main__":
    main()
