"""What kinds of slide there are, as far as finding their tissue goes.

Each preset is registered under its name in the entry-point group ``pathoai.tissue_methods``: the
name is what a user writes, and what the store says of itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.tissue.blocks import Block, Picture, look_at_blocks
from pathoai.tissue.entropy import LocalEntropy
from pathoai.tissue.fragments import FragmentPolicy
from pathoai.tissue.ink import ForeignColours
from pathoai.tissue.otsu import Bounds
from pathoai.tissue.planes import empty_plane
from pathoai.tissue.saturation import Saturation

Detector = Saturation | LocalEntropy


@dataclass(frozen=True, slots=True)
class TissuePreset:
    """How tissue is found on one kind of slide.

    Args:
        name: What a user writes.
        detector: What tells tissue from glass, pixel by pixel; None where all of it is tissue.
        fragments: What makes a piece of tissue of these pixels.
    """

    name: str
    detector: Detector | None
    fragments: FragmentPolicy

    def __call__(self, picture: Picture, mpp: float) -> NDArray[np.bool_]:
        """The tissue in an image of a whole slide.

        Args:
            picture: ``(H, W, 3)`` uint8 RGB.
            mpp: Scale of the image, µm per pixel.

        Returns:
            ``(H, W)`` bool; pen ink on glass and the black around the slide left out.
        """
        if self.detector is None:
            return np.ones(picture.shape[:2], bool)
        signal, colours = _seen(self.detector, picture, mpp)
        # The rim of ink is blurred: half tissue's colour, half glass.
        rim_px = max(1, round(_RIM_UM / mpp))
        ink, foreign = colours.ink_on_glass(rim_px), colours.black(rim_px)
        foreign[ink] = True
        del colours  # a plane of the whole picture
        found = self.detector.find(signal, foreign, picture, mpp)
        del signal, foreign
        found = self.fragments.apply(found, mpp)
        # Grains of carbon inside tissue are filled again, like other small holes; ink is not.
        found[ink] = False
        return found


def _seen(detector: Detector, picture: Picture, mpp: float) -> tuple[NDArray[Any], ForeignColours]:
    """What a detector keeps of each pixel, and what is foreign, in one pass over the picture."""
    signal = empty_plane(picture.shape[:2], detector.dtype)
    colours = ForeignColours(picture.shape, mpp)

    def look(block: Block) -> None:
        colours.look(block)
        signal[block.place] = detector.signal(block, mpp)

    look_at_blocks(look, picture, max(colours.margin_px, detector.margin_px(mpp)))
    return signal, colours


_RIM_UM = 8.0

# Saturation, in differences of optical density: quiet glass reaches 0.004 and JPEG's colour blocks
# 0.01; the palest eosin on a well-stained slide lies at 0.04 and most tissue above 0.1.
_STAINED = Saturation(Bounds(lowest=0.012, highest=0.035))

H_AND_E = TissuePreset(
    "h-and-e",
    _STAINED,
    FragmentPolicy(
        closing_um=16.0,  # clefts of fixation are tissue, ducts of 100 µm are not
        largest_hole_mm2=0.01,  # a lumen of 110 µm: its epithelium is seen whole
        smallest_fragment_mm2=0.0025,  # 50 × 50 µm: a strip of epithelium, more than dust
    ),
)

BIOPSY = TissuePreset(
    "biopsy",
    # Half the least colour: a shred of mucosa is thin and pale, and it is all there is.
    Saturation(Bounds(lowest=0.008, highest=0.025), smoothing_um=6.0),
    FragmentPolicy(
        closing_um=24.0,  # fibres of a teased biopsy belong together
        largest_hole_mm2=0.05,
        smallest_fragment_mm2=0.0008,  # 30 × 30 µm: a few cells may decide
    ),
)

IHC = TissuePreset(
    "ihc",
    # Counterstain alone has hardly any colour, but texture. An edge across the window, of a
    # coverslip or of a camera field, gives about 1 bit; pale stroma 1.5 and nuclei 2 to 3.
    LocalEntropy(Bounds(lowest=1.0, highest=1.2), window_um=24.0, step=6.0),
    FragmentPolicy(
        closing_um=16.0,
        largest_hole_mm2=0.02,  # texture leaves holes in even stroma
        smallest_fragment_mm2=0.01,  # 100 × 100 µm: the window alone makes 50 µm of a grain
        thinnest_um=40.0,  # edges of coverslips and of camera fields give bands below this
    ),
)

FAINT = TissuePreset(
    "faint",
    # Steps of 3 grey levels: an eighth of the usual stain still spans several.
    LocalEntropy(Bounds(lowest=1.0, highest=1.2), window_um=24.0, step=3.0),
    IHC.fragments,
)

FATTY_BREAST = TissuePreset(
    "fatty-breast",
    # Fat is a lace of membranes between white cells of 50 to 100 µm: the window spans one.
    LocalEntropy(Bounds(lowest=1.0, highest=1.2), window_um=48.0, step=5.0),
    FragmentPolicy(
        closing_um=24.0,  # more would join tissue with the dust beside it
        largest_hole_mm2=0.25,  # 0.5 × 0.5 mm: torn fat is tissue, a rent in the section is not
        smallest_fragment_mm2=0.02,
        thinnest_um=80.0,
    ),
)

WHOLE = TissuePreset("whole", None, FragmentPolicy(0.0, 0.0, 0.0))

PRESETS = {p.name: p for p in (H_AND_E, BIOPSY, IHC, FAINT, FATTY_BREAST, WHOLE)}
"""All presets by name."""
