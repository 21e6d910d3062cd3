"""Which tiles of a marker's labels a pathologist looks at, so that their precision is known.

Points are drawn uniformly over the area that is labelled positive and over that labelled negative,
each for itself; what cannot be trusted (255) is in neither. A tile is the square about a point. So
the share of positive tiles that a pathologist accepts estimates, without any weighing, the share of
the positive area that lies in tiles whose label is right; and each tile stands for a known area.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, StudyError
from pathoai.geometry import Region, Size
from pathoai.ihc.audit_stratum import AuditStratum
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED
from pathoai.provenance import sha256_of_json
from pathoai.store.label_image import LabelImage
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore

_DECIMALS = 2
"""Of places, as tables of regions hold them."""
_LEAST_PIXELS = 100
"""A stratum has so many pixels for each tile drawn of it: fewer would be the same place."""


@dataclass(frozen=True, slots=True)
class AuditTile:
    """A tile to be judged.

    Args:
        slide_id: Code of the H&E slide.
        stratum: What the label says in its middle.
        region: The tile, level-0 pixels.
    """

    slide_id: str
    stratum: AuditStratum
    region: Region


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How a sample is drawn.

    Args:
        tiles: How many are wanted.
        seed: Of what is drawn.
        tile_um: Side of the tiles.
        positive_share: Share of them that is drawn of the positive area.

    Raises:
        InvalidValueError: A number is outside what is allowed.
    """

    tiles: int = 50
    seed: int = 0
    tile_um: float = 64.0
    positive_share: float = 0.6

    def __post_init__(self) -> None:
        """Refuse what makes no sample."""
        for name, value, (low, high) in (
            ("tiles of an audit", self.tiles, (1, 2000)),
            ("seed", self.seed, (0, 2**63 - 1)),
            ("side of tiles, µm", self.tile_um, (16, 1000)),
            ("share of positive tiles", self.positive_share, (0, 1)),
        ):
            if not low <= value <= high:
                raise InvalidValueError(name, found=value, allowed=f"{low} to {high}")


@dataclass(frozen=True)
class AuditSample:
    """What was drawn, and of what.

    Args:
        marker: Key of the marker.
        settings: As it was drawn.
        labels: Identity of the label of each slide, by the slide's code.
        areas_mm2: Trusted area of each stratum, over all slides.
        tiles: In the order in which they are read.
    """

    marker: str
    settings: AuditSettings
    labels: Mapping[str, str]
    areas_mm2: Mapping[AuditStratum, float]
    tiles: tuple[AuditTile, ...]

    def drawn(self, stratum: AuditStratum) -> int:
        """How many tiles were drawn of a stratum."""
        return sum(tile.stratum is stratum for tile in self.tiles)

    def mm2_per_tile(self, stratum: AuditStratum) -> float:
        """The trusted area that a tile stands for: the inverse of how densely it was sampled."""
        drawn = self.drawn(stratum)
        return self.areas_mm2[stratum] / drawn if drawn else float("nan")


def label_identity(label: LabelImage) -> str:
    """A hash that changes with any pixel of a label."""
    return sha256_of_json(label.shards)


def draw_audit(
    marker: str, slides: Sequence[tuple[SlideStore, LabelImage]], settings: AuditSettings
) -> AuditSample:
    """Draw tiles of the labels of one marker; the same labels and seed give the same tiles.

    Memory is that of one shard, whatever the number and the size of the slides.

    Args:
        marker: Key of the marker.
        slides: H&E slides with their finished labels ``ihc/<marker>``.
        settings: How many, and how.

    Raises:
        StudyError: The labels trust no pixel.
        StoreError: A chunk of a label is damaged.
    """
    generator = np.random.default_rng(settings.seed)
    found = [_Pixels.of(store, label) for store, label in slides]
    wanted = _allotted(found, settings)
    tiles = [
        AuditTile(pixels.slide_id, stratum, region)
        for stratum, count in wanted.items()
        for pixels, ranks in _ranks(found, stratum, count, generator)
        for region in pixels.tiles_about(stratum, ranks, settings.tile_um)
    ]
    order = generator.permutation(len(tiles))
    return AuditSample(
        marker,
        settings,
        {store.slide_id: label_identity(label) for store, label in slides},
        {stratum: sum(p.mm2(stratum) for p in found) for stratum in AuditStratum},
        tuple(tiles[at] for at in order.tolist()),
    )


@dataclass(frozen=True, eq=False)
class _Pixels:
    """How many pixels of each stratum a slide's label has, shard by shard.

    Args:
        store: The slide's.
        label: Its label.
        counts: ``(S, 2)`` int64: pixels of each shard, positive and negative.
    """

    store: SlideStore
    label: LabelImage
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, store: SlideStore, label: LabelImage) -> _Pixels:
        counts = [
            [int(np.count_nonzero(_is_of(block, stratum))) for stratum in AuditStratum]
            for _, _, block in _blocks(label)
        ]
        return cls(store, label, np.array(counts, np.int64).reshape(-1, len(AuditStratum)))

    @property
    def slide_id(self) -> str:
        return self.store.slide_id

    def of_shards(self, stratum: AuditStratum) -> NDArray[np.int64]:
        return self.counts[:, list(AuditStratum).index(stratum)]

    def total(self, stratum: AuditStratum) -> int:
        return int(self.of_shards(stratum).sum())

    def mm2(self, stratum: AuditStratum) -> float:
        return self.total(stratum) * self.label.pixel_mpp.pixel_area_um2 / 1e6

    def tiles_about(
        self, stratum: AuditStratum, ranks: NDArray[np.int64], tile_um: float
    ) -> list[Region]:
        """Tiles about the pixels of some ranks among those of a stratum; ranks rise."""
        ends = np.cumsum(self.of_shards(stratum))
        shard_of = np.searchsorted(ends, ranks, side="right")
        found = []
        for at, (top, left, block) in enumerate(_blocks(self.label, only=set(shard_of.tolist()))):
            shard = np.unique(shard_of)[at]
            own = ranks[shard_of == shard] - (ends[shard] - self.of_shards(stratum)[shard])
            places = np.flatnonzero(_is_of(block, stratum))[own]
            rows, columns = np.divmod(places, block.shape[1])
            found += [
                self._tile(column + left, row + top, tile_um)
                for column, row in zip(columns.tolist(), rows.tolist(), strict=True)
            ]
        return found

    def _tile(self, column: int, row: int, tile_um: float) -> Region:
        """The square about a pixel's centre, moved into the canvas where it would leave it."""
        grid, mpp, canvas = self.label.grid(), self.store.slide.mpp, self.store.slide.size
        width = round(min(tile_um / mpp.x, canvas.width), _DECIMALS)
        height = round(min(tile_um / mpp.y, canvas.height), _DECIMALS)
        x = (column + 0.5) * grid.downsample_x - width / 2
        y = (row + 0.5) * grid.downsample_y - height / 2
        return Region(
            round(min(max(x, 0.0), canvas.width - width), _DECIMALS),
            round(min(max(y, 0.0), canvas.height - height), _DECIMALS),
            width,
            height,
        )


def _is_of(block: NDArray[np.uint8], stratum: AuditStratum) -> NDArray[np.bool_]:
    if stratum is AuditStratum.NEGATIVE:
        return np.asarray(block == BACKGROUND_INDEX)
    return np.asarray((block != BACKGROUND_INDEX) & (block != NOT_ASSESSED))


def _blocks(
    label: LabelImage, only: set[int] | None = None
) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Top, left and pixels of each shard of the finest level, or of some by their numbers."""
    size = label.grid().size_px
    shape = (size.height, size.width)
    for number, shard in enumerate(shards_of(shape)):
        if only is None or number in only:
            rows, columns = shard_slices(shard, shape)
            part = Size(columns.stop - columns.start, rows.stop - rows.start)
            yield rows.start, columns.start, label.reader.read(columns.start, rows.start, part)


def _allotted(found: Sequence[_Pixels], settings: AuditSettings) -> dict[AuditStratum, int]:
    """How many tiles are drawn of each stratum: the share that was asked for, where it has them."""
    pixels = {stratum: sum(p.total(stratum) for p in found) for stratum in AuditStratum}
    most = {stratum: -(-count // _LEAST_PIXELS) for stratum, count in pixels.items()}
    if not any(most.values()):
        raise StudyError(
            "no pixel of these labels can be trusted: there is nothing to audit",
            found=", ".join(p.slide_id for p in found),
            remedy="see the label trust/<marker> for the reasons, and register the pairs again",
        )
    # Rounded up: an audit of one tile is of a positive one.
    positive = int(np.ceil(round(settings.tiles * settings.positive_share, 9)))
    first = min(positive, most[AuditStratum.POSITIVE])
    negative = min(settings.tiles - first, most[AuditStratum.NEGATIVE])
    positive = min(settings.tiles - negative, most[AuditStratum.POSITIVE])
    return {AuditStratum.POSITIVE: positive, AuditStratum.NEGATIVE: negative}


def _ranks(
    found: Sequence[_Pixels], stratum: AuditStratum, count: int, generator: np.random.Generator
) -> Iterator[tuple[_Pixels, NDArray[np.int64]]]:
    """Of each slide, the ranks of the pixels drawn of it; uniform over the area of all slides."""
    areas = np.array([pixels.mm2(stratum) for pixels in found])
    totals = np.array([pixels.total(stratum) for pixels in found])
    if not count:
        return
    drawn = generator.multinomial(count, areas / areas.sum())
    while np.any(drawn > totals):  # a slide of a few pixels, drawn more often than it has them
        drawn = generator.multinomial(count, areas / areas.sum())
    for pixels, total, own in zip(found, totals.tolist(), drawn.tolist(), strict=True):
        if own:
            yield pixels, np.sort(generator.choice(total, own, replace=False))
