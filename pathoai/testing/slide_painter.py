"""Paints any rectangle of a generated slide, block by block on a fixed grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.testing.artefacts import Artefact, apply_artefacts, halo_px
from pathoai.testing.nuclei import NucleusTable, cell_map
from pathoai.testing.staining import (
    WHITE,
    Structures,
    Textures,
    absorb,
    hematoxylin_eosin,
    transmit,
)
from pathoai.testing.texture_noise import FloatGrid, sample_grid, tile_window
from pathoai.testing.tissue_layout import TissueLayout

BLOCK_PX = 512


class SlidePainter:
    """Paints the H&E picture of a slide from its layout and nuclei.

    Blocks lie on a fixed grid of 512 px, so a rectangle is the same pixels whether it is
    painted alone or with the whole slide.
    """

    def __init__(
        self,
        layout: TissueLayout,
        *,
        nuclei: NucleusTable,
        artefacts: tuple[Artefact, ...],
        seed: int,
    ) -> None:
        """Draw the textures.

        Args:
            layout: The fields of the slide.
            nuclei: Its nuclei.
            artefacts: What went wrong in the laboratory.
            seed: Seed of the textures.
        """
        self.layout = layout
        self.nuclei = nuclei
        self.artefacts = artefacts
        self.textures = Textures.of(seed=seed, mpp=layout.grid.mpp)

    def paint(self, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """Paint a rectangle.

        Args:
            x: Left edge, level-0 px, at least 0.
            y: Top edge, level-0 px, at least 0.
            width: Width, px.
            height: Height, px.

        Returns:
            (height, width, 3) uint8 RGB; past the slide's edge the picture goes on.
        """
        picture = np.empty((height, width, 3), dtype=np.uint8)
        for top in range(y // BLOCK_PX * BLOCK_PX, y + height, BLOCK_PX):
            for left in range(x // BLOCK_PX * BLOCK_PX, x + width, BLOCK_PX):
                block = self.paint_block(left, top)
                x0, y0 = max(x, left), max(y, top)
                x1, y1 = min(x + width, left + BLOCK_PX), min(y + height, top + BLOCK_PX)
                picture[y0 - y : y1 - y, x0 - x : x1 - x] = block[
                    y0 - top : y1 - top, x0 - left : x1 - left
                ]
        return picture

    def paint_block(self, left: int, top: int) -> NDArray[np.uint8]:
        """Paint the (512, 512, 3) uint8 block whose corner is a multiple of 512 px."""
        box = (left, top, left + BLOCK_PX, top + BLOCK_PX)
        present = tuple(artefact for artefact in self.artefacts if artefact.touches(box))
        if not present and self.is_glass(left, top, width=BLOCK_PX, height=BLOCK_PX):
            return self._glass(left, top)
        halo = halo_px(present)
        side = BLOCK_PX + 2 * halo
        structures = self.structures(left - halo, top - halo, side, side)
        hematoxylin, eosin = hematoxylin_eosin(
            structures, textures=self.textures, nuclei=self.nuclei
        )
        density = absorb(hematoxylin, eosin=eosin, pigment=structures.pigment)
        if present:
            density = apply_artefacts(density, x=left - halo, y=top - halo, artefacts=present)
        if halo:
            density = np.ascontiguousarray(density[:, halo:-halo, halo:-halo])
        return transmit(density, x=left, y=top, textures=self.textures)

    def structures(self, x: int, y: int, width: int, height: int) -> Structures:
        """Find what lies in each pixel of a rectangle in level-0 px, which may be anywhere."""
        layout = self.layout
        pitch = layout.grid.pitch

        def sampled(field: FloatGrid, *, periodic: bool = False) -> FloatGrid:
            return sample_grid(
                field, x=x, y=y, width=width, height=height, pitch=pitch, periodic=periodic
            )

        flow = layout.flow
        column = np.arange(x, x + width, dtype=np.float32)[None, :]
        row = np.arange(y, y + height, dtype=np.float32)[:, None]
        cosine, sine = np.float32(np.cos(flow.angle)), np.float32(np.sin(flow.angle))
        across = sampled(flow.warp, periodic=True)
        across += cosine * row - sine * column
        tissue = _cover(sampled(layout.tissue), softness=0.35)
        tissue *= 1.0 - _cover(sampled(layout.lumen), softness=0.35)
        epithelium = sampled(layout.epithelium)
        surface = np.zeros_like(tissue)
        if layout.has_surface:
            surface = np.clip(sampled(layout.surface), 0.0, 1.0)
        return Structures(
            x=x,
            y=y,
            tissue=tissue,
            epithelium=_cover(epithelium, softness=0.3),
            depth=epithelium,
            surface=surface,
            along=cosine * column + sine * row,
            across=across,
            thickness=sampled(self.textures.clouds, periodic=True),
            cells=cell_map(self.nuclei, x=x, y=y, width=width, height=height, whole_cells=True),
            pigment=self._pigment(x, y, width, height),
        )

    def _pigment(self, x: int, y: int, width: int, height: int) -> FloatGrid | None:
        """Amount (height, width) of brown granules; None on a slide without them."""
        field = self.layout.pigment
        if field is None:
            return None
        pitch = self.layout.grid.pitch
        depth = sample_grid(field, x=x, y=y, width=width, height=height, pitch=pitch)
        grain = tile_window(self.textures.grain, x=x, y=y, width=width, height=height)
        granules = np.clip(np.float32(0.45) + np.float32(0.4) * grain, 0.0, 1.2)
        return np.asarray(_cover(depth, softness=0.2) * granules, dtype=np.float32)

    def is_glass(self, x: int, y: int, *, width: int, height: int) -> bool:
        """Whether no tissue can show in a rectangle in level-0 px, which may be anywhere."""
        pitch = self.layout.grid.pitch
        top, left = max(0, y // pitch - 2), max(0, x // pitch - 2)
        bottom, right = (y + height) // pitch + 3, (x + width) // pitch + 3
        window = self.layout.tissue[top : max(top, bottom), left : max(left, right)]
        return window.size == 0 or float(window.max()) < -8.0

    def _glass(self, left: int, top: int) -> NDArray[np.uint8]:
        """Paint a block without tissue; the same light as `transmit` for zero density."""
        noise = tile_window(self.textures.camera, x=left, y=top, width=BLOCK_PX, height=BLOCK_PX)
        light = noise[..., None] * np.float32(0.9) + np.asarray(WHITE, dtype=np.float32)
        return np.asarray(np.clip(light + 0.5, 0, 255), dtype=np.uint8)


def _cover(field: FloatGrid, *, softness: float) -> FloatGrid:
    """Turn a signed distance in px into a cover from 0 to 1 with a soft edge."""
    cover: FloatGrid = np.clip(np.float32(0.5) + np.float32(softness) * field, 0.0, 1.0)
    return cover
