"""From structures to stain, and from stain to light.

Light is absorbed by Beer and Lambert's law: optical densities of the stains add up, and a pixel
is white * 10 ** -density. Stain vectors: A. C. Ruifrok and D. A. Johnston, "Quantification of
histochemical staining by color deconvolution", Anal. Quant. Cytol. Histol. 23 (2001) 291-299.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.testing.nuclei import FAR, CellMap, NucleusTable
from pathoai.testing.nucleus_placement import NUCLEUS_KEYS
from pathoai.testing.texture_noise import FloatGrid, periodic_noise, tile_lookup, tile_window

HEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.07, 0.99, 0.11)
DAB = (0.27, 0.57, 0.78)
# The vector of Fast Red that accompanies the same authors' program.
PERMANENT_RED = (0.21, 0.85, 0.48)
# Hemosiderin and melanin: a round figure of their brown, which is DAB's to the eye.
PIGMENT = (0.33, 0.56, 0.76)
WHITE = (243.0, 243.0, 245.0)
# A scanner's colours leave the plane of the two vectors: on a public Aperio slide (OpenSlide's
# CMU-1-Small-Region) about half as much density as eosin's lies across it, towards yellow.
ACROSS_PER_EOSIN = 0.42
ACROSS_PER_HEMATOXYLIN = 0.10

# Density of (hematoxylin, eosin) in the cytoplasm of an epithelium, by its nearest nucleus.
_CYTOPLASM = {
    "nucleus_neoplastic": (0.31, 0.18),
    "nucleus_normal_epithelium": (0.24, 0.21),
    "nucleus_lymphocyte": (0.28, 0.19),
    "nucleus_stromal": (0.28, 0.19),
}
_CYTOPLASM_ELSEWHERE = (0.28, 0.19)


@dataclass(frozen=True, eq=False)
class Textures:
    """Periodic noise, one sample per level-0 pixel unless said otherwise; deviation 1.

    Attributes:
        grain: Granules of cytoplasm.
        chromatin: Clumps of chromatin.
        fibres: Thin collagen fibres along x.
        bundles: Thick collagen bundles along x.
        camera: Noise of the camera.
        clouds: Variation of section thickness, one sample per node of the grid.
    """

    grain: FloatGrid
    chromatin: FloatGrid
    fibres: FloatGrid
    bundles: FloatGrid
    camera: FloatGrid
    clouds: FloatGrid

    @classmethod
    @functools.lru_cache(maxsize=2)
    def of(cls, *, seed: int, mpp: float) -> Textures:
        """Draw the textures of a slide, with grain sizes fixed in micrometres."""
        generator = np.random.default_rng(np.random.SeedSequence([seed, 7]))

        def tile(across_um: float, along_um: float, size: int = 1024) -> FloatGrid:
            sigma_y, sigma_x = max(0.6, across_um / mpp), max(0.6, along_um / mpp)
            return periodic_noise(generator, size=size, sigma_y=sigma_y, sigma_x=sigma_x)

        grain = 0.6 * tile(0.3, 0.3) + 0.8 * tile(0.8, 0.8)
        chromatin = 0.75 * tile(0.33, 0.33) + 0.65 * tile(0.75, 0.75)
        return cls(
            grain=grain,
            chromatin=chromatin,
            fibres=tile(0.42, 3.5),
            bundles=tile(1.3, 8.0),
            camera=periodic_noise(generator, size=512, sigma_y=0.5, sigma_x=0.5),
            clouds=periodic_noise(generator, size=256, sigma_y=14.0, sigma_x=14.0),
        )


@dataclass(frozen=True, eq=False)
class Structures:
    """What lies in each pixel of a rectangle; all arrays (height, width).

    Attributes:
        x: Left edge, level-0 px.
        y: Top edge, level-0 px.
        tissue: float32, 0 to 1, cover by tissue without lumens.
        epithelium: float32, 0 to 1, cover by epithelium.
        depth: float32, signed distance into the epithelium, px.
        surface: float32, 0 at the basement membrane to 1 at the surface, 0 elsewhere.
        along: float32, position along the collagen, px.
        across: float32, position across the collagen, px.
        thickness: float32, variation of the section's thickness, about 0.
        cells: The owner of each pixel.
        pigment: float32, amount of brown pigment; None where the slide has none.
    """

    x: int
    y: int
    tissue: FloatGrid
    epithelium: FloatGrid
    depth: FloatGrid
    surface: FloatGrid
    along: FloatGrid
    across: FloatGrid
    thickness: FloatGrid
    cells: CellMap
    pigment: FloatGrid | None = None


def hematoxylin_eosin(
    structures: Structures, *, textures: Textures, nuclei: NucleusTable
) -> tuple[FloatGrid, FloatGrid]:
    """Stain a rectangle.

    Args:
        structures: What lies where.
        textures: Noise of the slide.
        nuclei: The nuclei that the cell map refers to.

    Returns:
        Density of hematoxylin and of eosin, (height, width) float32 each.
    """
    height, width = structures.tissue.shape
    grain = tile_window(textures.grain, x=structures.x, y=structures.y, width=width, height=height)
    fibre, gap = collagen(structures, textures=textures)
    hematoxylin = np.float32(0.155) + np.float32(0.035) * fibre
    eosin = np.float32(0.185) + np.float32(0.062) * fibre
    eosin += np.float32(0.016) * grain
    hematoxylin += np.float32(0.012) * grain
    np.maximum(eosin, np.float32(0.03), out=eosin)
    eosin *= gap
    hematoxylin *= gap
    _stain_cytoplasm(structures, grain=grain, nuclei=nuclei, stains=(hematoxylin, eosin))
    eosin *= 1.0 + np.float32(0.13) * structures.thickness
    hematoxylin *= 1.0 + np.float32(0.10) * structures.thickness
    eosin *= structures.tissue
    hematoxylin *= structures.tissue
    stain_nuclei(structures, textures=textures, nuclei=nuclei, stains=(hematoxylin, eosin))
    return hematoxylin, eosin


def collagen(structures: Structures, *, textures: Textures) -> tuple[FloatGrid, FloatGrid]:
    """Texture of the stroma.

    Returns:
        Density of the fibres, about mean 0 and deviation 1, and the cover by fibres, 0 in a
        cleft to 1; (height, width) float32 each.
    """
    fine = tile_lookup(textures.fibres, u=structures.along, v=structures.across)
    wide = tile_lookup(textures.bundles, u=structures.along, v=structures.across)
    # Clefts between bundles: where both noises are low the section shows white glass.
    gap = wide + np.float32(0.55) * fine
    gap += np.float32(2.05)
    gap *= np.float32(1.1)
    np.clip(gap, np.float32(0.08), np.float32(1.0), out=gap)
    fine *= np.float32(0.75)
    fine += np.float32(0.65) * wide
    return fine, gap


def _stain_cytoplasm(
    structures: Structures,
    *,
    grain: FloatGrid,
    nuclei: NucleusTable,
    stains: tuple[FloatGrid, FloatGrid],
) -> None:
    """Replace the stroma by cytoplasm where epithelium lies; in place."""
    inside = np.flatnonzero(structures.epithelium > 0)
    if not inside.size:
        return
    cover = structures.epithelium.ravel()[inside]
    row = structures.cells.row.ravel()[inside]
    colours = [_CYTOPLASM[key] for key in NUCLEUS_KEYS] + [_CYTOPLASM_ELSEWHERE]
    # Row -1, no nucleus near, reads the entry appended at the end.
    class_index = np.append(nuclei.class_index, np.uint8(len(NUCLEUS_KEYS)))
    densities = np.asarray(colours, dtype=np.float32)[class_index[row]]
    border = cell_border(structures, inside=inside)
    granules = grain.ravel()[inside]
    surface = structures.surface.ravel()[inside]
    texture = 1.0 + np.float32(0.13) * granules - np.float32(0.45) * border
    for place, stain in enumerate(stains):
        # Towards the surface a squamous cell loses basophilia and fills with pale eosin.
        change = 1.0 - surface * np.float32(0.75 if place == 0 else 0.15)
        cytoplasm = densities[:, place] * texture * change
        flat = stain.ravel()
        flat[inside] += cover * (cytoplasm - flat[inside])


def cell_border(structures: Structures, *, inside: NDArray[np.intp]) -> FloatGrid:
    """Nearness to the border of two cells, (n,) float32 from 0 to 1, at flat pixel numbers."""
    first = structures.cells.distance.ravel()[inside]
    gap = structures.cells.second.ravel()[inside] - first
    near = np.clip(1.0 - gap / np.float32(3.2), 0.0, 1.0)
    return np.asarray(np.where(first < FAR, near, 0.0), dtype=np.float32)


def stain_nuclei(
    structures: Structures,
    *,
    textures: Textures,
    nuclei: NucleusTable,
    stains: tuple[FloatGrid, FloatGrid],
    strength: float = 1.0,
) -> None:
    """Lay nuclei over the tissue with soft edges, a dark rim, chromatin and nucleoli; in place."""
    distance = structures.cells.distance
    inside = np.flatnonzero(distance < np.float32(1.0))
    if not inside.size:
        return
    deep = distance.ravel()[inside]
    row = structures.cells.row.ravel()[inside]
    cover = np.clip(np.float32(0.55) - np.float32(0.55) * deep, 0.0, 1.0)
    width = distance.shape[1]
    pixel_y, pixel_x = inside // width + structures.y, inside % width + structures.x
    shapes = nuclei.shapes
    size = textures.chromatin.shape[0]
    shift = shapes.texture[row]
    clumps = textures.chromatin[(pixel_y + shift[:, 1]) % size, (pixel_x + shift[:, 0]) % size]
    spot = shapes.nucleolus[row]
    offset_x = (pixel_x - shapes.centre[row, 0]).astype(np.float32) - spot[:, 0]
    offset_y = (pixel_y - shapes.centre[row, 1]).astype(np.float32) - spot[:, 1]
    half_width = np.float32(0.14) * shapes.axes[row, 1]
    nucleolus = np.exp(-0.5 * (offset_x**2 + offset_y**2) / half_width**2)
    rim = np.exp(-(((deep + np.float32(1.6)) / np.float32(1.7)) ** 2))
    chromatin = shapes.chromatin[row] * np.float32(strength)
    density = 0.86 + np.float32(0.2) * clumps + np.float32(0.28) * rim + np.float32(0.6) * nucleolus
    density = chromatin * np.maximum(density, np.float32(0.3))
    flat = stains[0].ravel()
    flat[inside] += cover * (density - np.float32(0.5) * flat[inside])
    second = stains[1].ravel()
    second[inside] *= 1.0 - np.float32(0.35) * cover


def absorb(
    hematoxylin: FloatGrid,
    *,
    eosin: FloatGrid | None = None,
    dab: FloatGrid | None = None,
    permanent_red: FloatGrid | None = None,
    pigment: FloatGrid | None = None,
) -> FloatGrid:
    """Add the optical densities of the stains.

    Args:
        hematoxylin: (height, width) float32, amount of the stain.
        eosin: The same shape, or None.
        dab: The same shape, or None.
        permanent_red: The same shape, or None.
        pigment: The same shape, or None.

    Returns:
        (3, height, width) float32, optical density of red, green and blue.
    """
    across = across_vector()
    vectors = [
        np.asarray(HEMATOXYLIN) + ACROSS_PER_HEMATOXYLIN * across,
        np.asarray(EOSIN) + ACROSS_PER_EOSIN * across,
        *(np.asarray(vector) for vector in (DAB, PERMANENT_RED, PIGMENT)),
    ]
    amounts = (hematoxylin, eosin, dab, permanent_red, pigment)
    density = np.zeros((3, *hematoxylin.shape), dtype=np.float32)
    for vector, amount in zip(vectors, amounts, strict=True):
        if amount is not None:
            for channel in range(3):
                density[channel] += np.float32(vector[channel]) * amount
    return density


def across_vector() -> NDArray[np.float64]:
    """Unit vector (3,) across hematoxylin and eosin, towards yellow."""
    across = np.cross(HEMATOXYLIN, EOSIN)
    return np.asarray(across / np.linalg.norm(across), dtype=np.float64)


def transmit(density: FloatGrid, *, x: int, y: int, textures: Textures) -> NDArray[np.uint8]:
    """Turn optical density into a picture, with the noise of a camera.

    Args:
        density: (3, height, width) float32; it is overwritten.
        x: Left edge of the rectangle, level-0 px.
        y: Top edge.
        textures: Noise of the slide.

    Returns:
        (height, width, 3) uint8.
    """
    height, width = density.shape[1:]
    noise = tile_window(textures.camera, x=x, y=y, width=width, height=height)
    picture = np.empty((height, width, 3), dtype=np.uint8)
    for channel in range(3):
        light = density[channel]
        light *= np.float32(-np.log(10.0))
        np.exp(light, out=light)
        light *= np.float32(WHITE[channel])
        light += np.float32(0.9) * noise
        light += np.float32(0.5)
        np.clip(light, 0.0, 255.0, out=light)
        picture[..., channel] = light
    return picture
