"""Writes a tiled JPEG pyramid to disk while it is being painted.

The picture exists only as one strip of level 0 and the lower levels, which spill to a temporary
file when they are large, so a slide of any size can be written in bounded memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tifffile import TiffWriter

TILE_PX = 256
STRIP_PX = 512
JPEG_QUALITY = 85
_STEP = 4
_TOP_LEVEL_PX = 2048
_THUMBNAIL_PX = 1024
_SPILL_BYTES = 256 * 2**20
_BIG_TIFF_PIXELS = 2_000_000_000
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class PyramidDescription:
    """What the file says about itself.

    Attributes:
        width: Width of level 0, px.
        height: Height of level 0, px.
        mpp: Micrometres per level-0 pixel.
        vendor: "aperio" or "generic-tiff", as OpenSlide names them.
        objective_power: Nominal magnification.
        code: Coded name of the slide, also drawn on the label of an Aperio file.
    """

    width: int
    height: int
    mpp: float
    vendor: str
    objective_power: float
    code: str

    def level_sizes(self) -> list[tuple[int, int]]:
        """Width and height of every level, px; each a quarter of the level above."""
        sizes = [(self.width, self.height)]
        while max(sizes[-1]) > _TOP_LEVEL_PX and min(sizes[-1]) >= _STEP:
            sizes.append((sizes[-1][0] // _STEP, sizes[-1][1] // _STEP))
        return sizes


def write_pyramid(
    path: Path,
    *,
    description: PyramidDescription,
    paint: Callable[[int, int, int, int], Picture],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a slide.

    Args:
        path: Where to; an existing file is replaced.
        description: Size, scale and vendor.
        paint: Paints (height, width, 3) uint8 for x, y, width, height in level-0 px; it is
            asked for strips from top to bottom and must also answer past the slide's edge.
        progress: Called with the strips done and their number.
    """
    import tifffile

    sizes = description.level_sizes()
    big = description.width * description.height > _BIG_TIFF_PIXELS
    with (
        tempfile.TemporaryDirectory(prefix="pathoai-pyramid-") as folder,
        tifffile.TiffWriter(path, bigtiff=big) as writer,
    ):
        below = _empty(sizes[1] if len(sizes) > 1 else (0, 0), Path(folder) / "level-1")
        thumbnail = _Thumbnail.of(description)
        strips = _strips(
            description, paint=paint, below=below, thumbnail=thumbnail, progress=progress
        )
        _write_level(writer, strips, size=sizes[0], description=description, level=0)
        if description.vendor == "aperio":
            _write_associated(writer, thumbnail.picture(), name="thumbnail", about=description)
        for level, size in enumerate(sizes[1:], start=1):
            _write_level(writer, _slices(below), size=size, description=description, level=level)
            if level + 1 < len(sizes):
                smaller = _empty(sizes[level + 1], Path(folder) / f"level-{level + 1}")
                for top, strip in _slices(below):
                    _reduce_into(smaller, strip, top=top)
                below = smaller
        if description.vendor == "aperio":
            _write_associated(
                writer, label_picture(description.code), name="label", about=description
            )


@dataclass(eq=False)
class _Thumbnail:
    """Gathers block means of the strips as they pass by."""

    step: int
    pixels: Picture

    @classmethod
    def of(cls, description: PyramidDescription) -> _Thumbnail:
        # A power of two up to the strip's height divides every strip evenly.
        step = 1
        while max(description.width, description.height) / step > _THUMBNAIL_PX:
            step *= 2
        step = min(step, STRIP_PX)
        shape = (max(1, description.height // step), max(1, description.width // step), 3)
        return cls(step, np.empty(shape, dtype=np.uint8))

    def add(self, strip: Picture, *, top: int) -> None:
        _reduce_into(self.pixels, strip, top=top, step=self.step)

    def picture(self) -> Picture:
        return self.pixels


def _strips(
    description: PyramidDescription,
    *,
    paint: Callable[[int, int, int, int], Picture],
    below: Picture,
    thumbnail: _Thumbnail,
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[int, Picture]]:
    """Paint level 0 strip by strip and keep what the lower levels need."""
    width, height = description.width, description.height
    padded = -(-width // TILE_PX) * TILE_PX
    total = -(-height // STRIP_PX)
    for number in range(total):
        top = number * STRIP_PX
        rows = min(STRIP_PX, height - top)
        tall = -(-rows // TILE_PX) * TILE_PX
        strip = paint(0, top, padded, tall)
        if below.size:
            _reduce_into(below, strip[:rows, :width], top=top)
        thumbnail.add(strip[:rows, :width], top=top)
        # Before the yield: the writer never asks past the last tile.
        if progress is not None:
            progress(number + 1, total)
        yield top, strip


def _slices(picture: Picture) -> Iterator[tuple[int, Picture]]:
    """Cut a level into strips whose size is a multiple of the tile, repeating its border."""
    height, width = picture.shape[:2]
    wide = -(-width // TILE_PX) * TILE_PX - width
    for top in range(0, height, STRIP_PX):
        strip = np.asarray(picture[top : top + STRIP_PX])
        tall = -(-strip.shape[0] // TILE_PX) * TILE_PX - strip.shape[0]
        yield top, np.pad(strip, ((0, tall), (0, wide), (0, 0)), mode="edge")


def _reduce_into(target: Picture, strip: Picture, *, top: int, step: int = _STEP) -> None:
    """Write the block means of a strip that starts at row `top` into a smaller level."""
    first = top // step
    rows = min(strip.shape[0] // step, target.shape[0] - first)
    columns = min(strip.shape[1] // step, target.shape[1])
    if rows <= 0 or columns <= 0:
        return
    blocks = strip[: rows * step, : columns * step].reshape(rows, step, columns * step * 3)
    # numpy adds along long rows fast, along short axes slowly; a column of 256 values fits 16 bits.
    tall = np.zeros((rows, columns * step * 3), np.uint16 if step <= 256 else np.uint32)
    summed = np.zeros((rows, columns, 3), np.uint32)
    for row in range(step):
        tall += blocks[:, row]
    for column in range(step):
        summed += tall.reshape(rows, columns, step, 3)[:, :, column]
    area = step * step
    target[first : first + rows, :columns] = (summed + area // 2) // area


def _empty(size: tuple[int, int], spill: Path) -> Picture:
    """Make room for a level, on disk when it is large."""
    width, height = size
    shape = (height, width, 3)
    if height * width * 3 > _SPILL_BYTES:
        return np.memmap(spill, dtype=np.uint8, mode="w+", shape=shape)
    return np.zeros(shape, dtype=np.uint8)


def _tiles(strips: Iterator[tuple[int, Picture]]) -> Iterator[Picture]:
    """Cut strips into tiles, row by row."""
    for _, strip in strips:
        for y in range(0, strip.shape[0], TILE_PX):
            for x in range(0, strip.shape[1], TILE_PX):
                yield np.ascontiguousarray(strip[y : y + TILE_PX, x : x + TILE_PX])


def _write_level(
    writer: TiffWriter,
    strips: Iterator[tuple[int, Picture]],
    *,
    size: tuple[int, int],
    description: PyramidDescription,
    level: int,
) -> None:
    """Write one level of the pyramid."""
    width, height = size
    options: dict[str, Any] = {"subfiletype": 0 if level == 0 else 1}
    if description.vendor == "aperio":
        options = {"subfiletype": 0, "description": _aperio_text(description, size=size)}
    # Pixels per centimetre; level 0 counts, the others follow for readers that look there.
    per_cm = 10_000.0 / (description.mpp * description.width / width)
    writer.write(
        _tiles(strips),
        shape=(height, width, 3),
        dtype=np.uint8,
        photometric="rgb",
        tile=(TILE_PX, TILE_PX),
        compression="jpeg",
        compressionargs={"level": JPEG_QUALITY},
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
        metadata=None,
        software="pathoai.testing",
        maxworkers=1,
        **options,
    )


def _aperio_text(description: PyramidDescription, *, size: tuple[int, int]) -> str:
    """The ImageDescription by which readers know an Aperio slide."""
    full = f"{description.width}x{description.height}"
    head = f"Aperio Image Library v12.0.0 (generated by pathoai)\r\n{full}"
    body = f" [0,0 {full}] ({TILE_PX}x{TILE_PX})"
    if size != (description.width, description.height):
        body += f" -> {size[0]}x{size[1]}"
    return (
        f"{head}{body} JPEG/RGB Q={JPEG_QUALITY}|AppMag = {description.objective_power:g}"
        f"|ScanScope ID = GENERATED|Filename = {description.code}|MPP = {description.mpp:.6g}"
    )


def _write_associated(
    writer: TiffWriter, picture: Picture, *, name: str, about: PyramidDescription
) -> None:
    """Write a picture that is not a level; Aperio keeps those in strips, not tiles."""
    height, width = picture.shape[:2]
    if name == "thumbnail":
        full = f"{about.width}x{about.height}"
        second = f"{full} -> {width}x{height} - |AppMag = {about.objective_power:g}"
        second += f"|MPP = {about.mpp:.6g}"
    else:
        second = f"{name} {width}x{height}"
    writer.write(
        picture,
        photometric="rgb",
        rowsperstrip=height if name == "thumbnail" else 64,
        compression="jpeg" if name == "thumbnail" else "lzw",
        compressionargs={"level": JPEG_QUALITY} if name == "thumbnail" else None,
        subfiletype=0 if name == "thumbnail" else 1,
        description=f"Aperio Image Library v12.0.0 (generated by pathoai)\r\n{second}",
        metadata=None,
        software="pathoai.testing",
    )


def label_picture(code: str) -> Picture:
    """Draw a paper label that bears nothing but a code.

    Args:
        code: What to write.

    Returns:
        (400, 400, 3) uint8.
    """
    from PIL import Image, ImageDraw

    small = Image.new("RGB", (100, 100), (250, 250, 246))
    draw = ImageDraw.Draw(small)
    for line, start in enumerate(range(0, len(code), 14)):
        draw.text((6, 12 + 14 * line), code[start : start + 14], fill=(20, 20, 20))
    return np.asarray(small.resize((400, 400), Image.Resampling.NEAREST), dtype=np.uint8)
