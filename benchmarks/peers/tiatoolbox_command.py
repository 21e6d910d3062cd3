"""TIAToolbox's whole command: tissue mask, the tissue tiles of 256 px, 1,000 of them read.

Runs in TIAToolbox's own environment, started by whole_command.py: SLIDE FOLDER
"""

from __future__ import annotations

import json
import sys

from tiatoolbox.tools.patchextraction import SlidingWindowPatchExtractor
from tiatoolbox.wsicore.wsireader import WSIReader


def main() -> None:
    """Find, tile and read."""
    reader = WSIReader.open(sys.argv[1])
    tiles = SlidingWindowPatchExtractor(
        reader,
        patch_size=(256, 256),
        input_mask=reader.tissue_mask(),
        resolution=0,
        units="level",
        min_mask_ratio=0.05,
    )
    for item in range(min(1000, len(tiles))):
        tiles[item]
    print(json.dumps({"tiles": len(tiles)}))


if __name__ == "__main__":
    main()
