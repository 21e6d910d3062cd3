"""Where the tissue of a generated slide lies: fragments on glass, shapes in fragments.

Every structure is a *field* on a coarse grid of nodes: a signed distance in level-0 pixels,
positive inside. Fields are combined with minimum and maximum, painted by interpolation and
outlined at zero, so that the picture and its truth come from the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pathoai.testing.texture_noise import FloatGrid, sample_points, smooth_noise

if TYPE_CHECKING:
    from shapely import Polygon

NODE_UM = 4.0
OUTSIDE = np.float32(-1e6)
_MAX_NODES_PER_SIDE = 3500


@dataclass(frozen=True, eq=False)
class Grid:
    """The coarse grid of nodes that carries the fields of a slide.

    Attributes:
        width: Width of the slide, level-0 px.
        height: Height of the slide, level-0 px.
        mpp: Micrometres per level-0 pixel.
        pitch: Distance between two nodes, level-0 px.
    """

    width: int
    height: int
    mpp: float
    pitch: int

    @classmethod
    def of(cls, *, width: int, height: int, mpp: float) -> Grid:
        """Choose the pitch: fine enough for a small lumen, bounded for a huge slide."""
        pitch = max(2, round(NODE_UM / mpp), -(-max(width, height) // _MAX_NODES_PER_SIDE))
        return cls(width=width, height=height, mpp=mpp, pitch=pitch)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of nodes; the last ones lie on or past the slide's edge."""
        return -(-self.height // self.pitch) + 1, -(-self.width // self.pitch) + 1

    @property
    def node_um(self) -> float:
        """Distance between two nodes, micrometres."""
        return self.pitch * self.mpp

    def px(self, micrometres: float) -> float:
        """Convert a length in micrometres to level-0 pixels."""
        return micrometres / self.mpp

    def noise(self, generator: np.random.Generator, *, sigma_um: float) -> FloatGrid:
        """Draw smooth noise of unit deviation over the slide, one value per node."""
        sigma = max(0.6, sigma_um / self.node_um)
        return smooth_noise(generator, shape=self.shape, sigma=sigma)

    def window(
        self, centre: tuple[float, float], *, radius: float
    ) -> tuple[slice, slice, NDArray[np.float32], NDArray[np.float32]]:
        """Find the nodes about a point.

        Args:
            centre: (x, y), level-0 px.
            radius: Half side of the square window, level-0 px.

        Returns:
            Row slice, column slice, and the offsets of the nodes from the centre along
            x (1, columns) and y (rows, 1), level-0 px.
        """
        rows, columns = self.shape
        x, y = centre
        top = min(rows, max(0, int((y - radius) // self.pitch)))
        left = min(columns, max(0, int((x - radius) // self.pitch)))
        bottom = max(top, min(rows, int((y + radius) // self.pitch) + 2))
        right = max(left, min(columns, int((x + radius) // self.pitch) + 2))
        offset_x = np.arange(left, right, dtype=np.float32)[None, :] * self.pitch - np.float32(x)
        offset_y = np.arange(top, bottom, dtype=np.float32)[:, None] * self.pitch - np.float32(y)
        return slice(top, bottom), slice(left, right), offset_x, offset_y


@dataclass(frozen=True, eq=False)
class FibreFlow:
    """The direction in which collagen runs.

    Attributes:
        angle: Main direction, radians from the x axis.
        warp: Periodic square grid of displacements across the fibres, level-0 px per node.
        pitch: Distance between two of its nodes, level-0 px.
    """

    angle: float
    warp: FloatGrid
    pitch: int

    def direction(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Angle of the fibres at points (n,) in level-0 px, radians from the x axis."""
        period = self.warp.shape[0] * self.pitch
        step = float(self.pitch)

        def warp_at(px: NDArray[np.float64], py: NDArray[np.float64]) -> FloatGrid:
            return sample_points(self.warp, px % period, py % period, pitch=self.pitch)

        slope_x = (warp_at(x + step, y) - warp_at(x - step, y)) / (2 * step)
        slope_y = (warp_at(x, y + step) - warp_at(x, y - step)) / (2 * step)
        across_x = -np.sin(self.angle) + slope_x
        across_y = np.cos(self.angle) + slope_y
        return np.asarray(np.arctan2(-across_x, across_y), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class TissueLayout:
    """The fields of a slide: signed distances in level-0 px, positive inside.

    Attributes:
        grid: The nodes that all fields share.
        tissue: Tissue against glass.
        lumen: White holes in the tissue; they belong to no region.
        epithelium: Union of all epithelial regions.
        regions: One field per region class, lumens excluded, stroma included.
        surface: 0 at the basement membrane to 1 at the surface of a squamous epithelium;
            0 elsewhere.
        inflammation: Propensity for lymphocytes, about mean 0 and deviation 1.
        flow: Direction of the collagen.
        has_surface: Whether `surface` holds anything.
        pigment: Where brown pigment lies; None where there is none.
    """

    grid: Grid
    tissue: FloatGrid
    lumen: FloatGrid
    epithelium: FloatGrid
    regions: dict[str, FloatGrid]
    surface: FloatGrid
    inflammation: FloatGrid
    flow: FibreFlow
    has_surface: bool = False
    pigment: FloatGrid | None = None

    def value(self, field: FloatGrid, x: NDArray[np.float64], y: NDArray[np.float64]) -> FloatGrid:
        """Read a field at points (n,) in level-0 px."""
        return sample_points(field, x, y, pitch=self.grid.pitch)


def fragment_cells(grid: Grid, *, fragments: int) -> list[tuple[float, float, float, float]]:
    """Divide the slide into cells, one for each fragment.

    Args:
        grid: The nodes of the slide.
        fragments: How many fragments are wished; a few more may come.

    Returns:
        One (left, top, width, height) per fragment, level-0 px.
    """
    columns = max(1, round(np.sqrt(fragments * grid.width / grid.height)))
    columns = min(columns, fragments)
    rows = max(1, -(-fragments // columns))
    cell_width, cell_height = grid.width / columns, grid.height / rows
    return [
        (column * cell_width, row * cell_height, cell_width, cell_height)
        for row in range(rows)
        for column in range(columns)
    ]


def tissue_field(grid: Grid, generator: np.random.Generator, *, fraction: float) -> FloatGrid:
    """Lay irregular fragments on glass so that they cover a given share of the slide.

    Args:
        grid: The nodes of the slide.
        generator: Source of the contours.
        fraction: Share of the slide's area that is tissue.

    Returns:
        The tissue field, level-0 px.
    """
    area_mm2 = grid.width * grid.height * grid.mpp**2 / 1e6
    fragments = 1 + int(np.log2(1.0 + area_mm2))
    blobs = np.full(grid.shape, OUTSIDE, dtype=np.float32)
    gutter = np.full(grid.shape, OUTSIDE, dtype=np.float32)
    smallest = float(min(grid.width, grid.height))
    for left, top, width, height in fragment_cells(grid, fragments=fragments):
        smallest = min(smallest, width, height)
        centre = (left + width / 2, top + height / 2)
        rows, columns, dx, dy = grid.window(centre, radius=max(width, height) / 2)
        tilt = generator.uniform(-0.25, 0.25)
        u, v = dx + np.float32(tilt) * dy, dy - np.float32(tilt) * dx
        power = np.float32(2.6)
        radius = (np.abs(u * 2 / width) ** power + np.abs(v * 2 / height) ** power) ** (1 / power)
        margin = 0.075 * min(width, height)
        edge = np.minimum(width / 2 - np.abs(dx), height / 2 - np.abs(dy)) - margin
        inside = edge > -margin
        blob = (1.0 - radius) * (min(width, height) / 2)
        blobs[rows, columns] = np.where(inside, blob, blobs[rows, columns])
        gutter[rows, columns] = np.where(inside, edge, gutter[rows, columns])
    wave = 0.18 * smallest
    blobs += np.float32(0.11 * smallest) * grid.noise(generator, sigma_um=wave * grid.mpp)
    # Where the gutter cuts a fragment off, the cut must not be a straight line.
    limit = gutter.copy()
    gutter += np.float32(0.014 * smallest) * grid.noise(generator, sigma_um=0.06 * wave * grid.mpp)
    gutter += np.float32(0.028 * smallest) * grid.noise(generator, sigma_um=0.4 * wave * grid.mpp)
    rough = min(grid.px(7.0), 0.04 * smallest)
    blobs += np.float32(rough) * grid.noise(generator, sigma_um=14.0)
    gutter = np.minimum(gutter, limit + np.float32(0.058 * smallest))
    blobs += np.float32(rough * 0.3) * grid.noise(generator, sigma_um=5.0)
    return _clean(_shift_to_fraction(blobs, gutter=gutter, fraction=fraction), grid=grid)


def _shift_to_fraction(blobs: FloatGrid, *, gutter: FloatGrid, fraction: float) -> FloatGrid:
    """Raise or lower a field until the wished share of its nodes is inside."""
    extent = float(np.abs(blobs[blobs > OUTSIDE / 2]).max()) + 1.0
    low, high = -extent, extent
    for _ in range(24):
        middle = (low + high) / 2
        covered = float(np.mean(np.minimum(blobs + np.float32(middle), gutter) > 0))
        low, high = (middle, high) if covered < fraction else (low, middle)
    return np.asarray(np.minimum(blobs + np.float32(high), gutter), dtype=np.float32)


def _clean(field: FloatGrid, *, grid: Grid) -> FloatGrid:
    """Remove crumbs and pinholes, which a fragment's contour would turn into many polygons."""
    from scipy import ndimage

    cleaned = field.copy()
    for sign in (1.0, -1.0):
        labels, count = ndimage.label(sign * cleaned > 0)
        if count < 2:
            continue
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        small = sizes < 0.04 * sizes.max()
        small[0] = False
        speck = ndimage.binary_dilation(small[labels], iterations=1)
        level = np.float32(-sign * grid.pitch * 0.5)
        extreme = np.minimum if sign > 0 else np.maximum
        cleaned[speck] = extreme(cleaned[speck], level)
    return np.asarray(cleaned, dtype=np.float32)


def bounded(field: FloatGrid, *, grid: Grid) -> FloatGrid:
    """Limit a field to eight nodes on both sides: splines would ring at a high cliff."""
    limit = np.float32(8 * grid.pitch)
    return np.clip(field, -limit, limit)


def blob_field(
    grid: Grid,
    generator: np.random.Generator,
    *,
    centre: tuple[float, float],
    radius: float,
    wobble: float = 0.12,
) -> tuple[slice, slice, FloatGrid]:
    """Draw one closed shape with a smooth random contour.

    Args:
        grid: The nodes of the slide.
        generator: Source of the contour.
        centre: (x, y), level-0 px.
        radius: Mean radius, level-0 px.
        wobble: Amplitude of the contour's waves as a share of the radius.

    Returns:
        Row slice, column slice and the field in that window, level-0 px.
    """
    rows, columns, dx, dy = grid.window(centre, radius=radius * (1.2 + 3 * wobble))
    distance = np.hypot(dx, dy)
    angle = np.arctan2(dy, dx)
    contour = np.ones_like(distance)
    for order in (2, 3, 4, 5):
        amplitude = wobble * generator.normal() / np.sqrt(order)
        phase = generator.uniform(0, 2 * np.pi)
        contour += np.float32(amplitude) * np.cos(order * angle + np.float32(phase))
    return rows, columns, np.asarray(np.float32(radius) * contour - distance, dtype=np.float32)


def nest_field(
    grid: Grid, generator: np.random.Generator, *, share: float, within: FloatGrid
) -> tuple[FloatGrid, FloatGrid]:
    """Draw irregular nests and cords, as an invasive carcinoma grows.

    Args:
        grid: The nodes of the slide.
        generator: Source of the shapes.
        share: Share of the ground that the invaded zone takes.
        within: The ground that may be invaded, level-0 px.

    Returns:
        The field of the nests, and that of the zone they lie in.
    """
    ground = within > 0
    if not ground.any():
        return np.full(grid.shape, OUTSIDE), np.full(grid.shape, OUTSIDE)
    sigma_um = region_scale_um(ground, grid=grid)
    noise = grid.noise(generator, sigma_um=sigma_um)
    level = np.quantile(noise[ground], 1.0 - share)
    zone = (noise - np.float32(level)) * np.float32(grid.px(sigma_um))
    nests = grid.noise(generator, sigma_um=13.0) + 0.4 * grid.noise(generator, sigma_um=6.0)
    nests = (nests - np.float32(0.12)) * np.float32(grid.px(11.0))
    shape = np.minimum.reduce([nests, zone, within])
    return _without_slivers(shape, depth=grid.px(4.5)), zone


def _without_slivers(field: FloatGrid, *, depth: float) -> FloatGrid:
    """Remove the pieces that are nowhere deep enough, in level-0 px, to hold a nucleus."""
    from scipy import ndimage

    labels, count = ndimage.label(field > 0)
    if not count:
        return field
    deepest = np.concatenate([[np.inf], ndimage.maximum(field, labels, np.arange(1, count + 1))])
    shallow = ndimage.binary_dilation((deepest < depth)[labels])
    kept = ndimage.binary_dilation((deepest >= depth)[labels] & (labels > 0))
    return np.where(shallow & ~kept, np.minimum(field, np.float32(-depth / 4)), field)


def region_scale_um(ground: NDArray[np.bool_], *, grid: Grid) -> float:
    """Width of the noise that divides a ground (rows, columns) into zones, micrometres."""
    extent_um = np.sqrt(float(ground.mean()) * grid.width * grid.height) * grid.mpp
    return float(np.clip(0.22 * extent_um, 25.0, 400.0))


def fibre_flow(grid: Grid, generator: np.random.Generator) -> FibreFlow:
    """Choose how collagen runs: a main direction, wide bends and the crimp of its fibres."""
    from pathoai.testing.texture_noise import periodic_noise

    node_um = grid.node_um
    size = 512
    bends = periodic_noise(generator, size=size, sigma_y=90 / node_um, sigma_x=90 / node_um)
    waves = periodic_noise(generator, size=size, sigma_y=22 / node_um, sigma_x=22 / node_um)
    crimp = periodic_noise(generator, size=size, sigma_y=5 / node_um, sigma_x=5 / node_um)
    warp = grid.px(42.0) * bends + grid.px(7.0) * waves + grid.px(1.9) * crimp
    angle = float(generator.uniform(0, np.pi))
    return FibreFlow(angle=angle, warp=np.asarray(warp, dtype=np.float32), pitch=grid.pitch)


def outline_field(field: FloatGrid, *, grid: Grid, smallest_px: float = 0.0) -> list[Polygon]:
    """Trace where a field is positive.

    Args:
        field: One value per node.
        grid: The nodes.
        smallest_px: Polygons below this area, level-0 px squared, are left out.

    Returns:
        Valid polygons with holes in level-0 px, clipped to the slide, largest first.
    """
    import shapely
    from skimage import measure

    # scikit-image does not annotate this function.
    find_contours: Callable[..., list[NDArray[np.float64]]] = measure.find_contours

    padded = np.pad(field, 1, constant_values=np.float32(-1.0))
    lines = [
        shapely.LineString((ring[:, ::-1] - 1.0) * grid.pitch)
        for ring in find_contours(padded, 0.0)
        if len(ring) > 3
    ]
    area = shapely.build_area(shapely.GeometryCollection(lines))
    area = shapely.intersection(
        shapely.make_valid(area), shapely.box(0, 0, grid.width, grid.height)
    )
    parts = [
        part
        for part in shapely.get_parts(shapely.get_parts(area))
        if isinstance(part, shapely.Polygon) and part.area > smallest_px
    ]
    return sorted(parts, key=lambda part: -part.area)
