"""What the head of a JPEG says of its pixels (ITU-T T.81, annex B), read without decoding it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pathoai.errors import InvalidValueError

_START = b"\xff\xd8"
_JFIF, _ADOBE = 0xE0, 0xEE
SCAN = 0xDA
# All markers C0 to CF are frames, but for tables and an extension.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_RGB_IDS = (ord("R"), ord("G"), ord("B"))
_SUBSAMPLINGS = {(1, 1): "444", (2, 1): "422", (2, 2): "420"}


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """The frame of a JPEG of three colours.

    Args:
        width: In pixels.
        height: In pixels.
        ycbcr: True for YCbCr, False for RGB.
        subsampling: Pixels per sample of the second and third colour, across and down.
    """

    width: int
    height: int
    ycbcr: bool
    subsampling: tuple[int, int]

    @property
    def subsampling_name(self) -> str | None:
        """As encoders name it, e.g. ``420``; None for one that they do not know."""
        return _SUBSAMPLINGS.get(self.subsampling)

    @classmethod
    def of(cls, data: bytes) -> JpegFrame:
        """The frame of a whole JPEG; its colours are told as libjpeg tells them.

        Raises:
            InvalidValueError: It is no JPEG of three colours with 8 bits each.
        """
        jfif, transform = False, None
        for marker, _, body in segments(data):
            if marker == _JFIF and body.startswith(b"JFIF\0"):
                jfif = True
            elif marker == _ADOBE and body.startswith(b"Adobe") and len(body) >= 12:
                transform = body[11]
            elif marker in FRAMES:
                return cls._of_frame(body, jfif=jfif, transform=transform)
        raise InvalidValueError("a JPEG without a frame")

    @classmethod
    def _of_frame(cls, body: bytes, *, jfif: bool, transform: int | None) -> JpegFrame:
        if len(body) < 15 or body[0] != 8 or body[5] != 3:
            raise InvalidValueError("not a JPEG of three colours with 8 bits each")
        ids = (body[6], body[9], body[12])
        sampling = [divmod(body[i], 16) for i in (7, 10, 13)]
        (across, down), second, third = sampling
        alike = second == third and 0 not in (across, down, *second)
        if not alike or across % second[0] or down % second[1]:
            raise InvalidValueError("a JPEG of colours sampled apart", found=sampling)
        # JFIF is always YCbCr; Adobe says it; without either the colours' names tell.
        rgb = not jfif and (ids == _RGB_IDS if transform is None else transform == 0)
        height, width = (int.from_bytes(body[i : i + 2]) for i in (1, 3))
        return cls(width, height, not rgb, (across // second[0], down // second[1]))


def segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Marker, place and content of each segment up to the head of the first scan.

    Raises:
        InvalidValueError: It is no JPEG, or damaged.
    """
    if not data.startswith(_START):
        raise InvalidValueError("not a JPEG")
    position = len(_START)
    while position + 4 <= len(data):
        fill, marker = data[position], data[position + 1]
        if fill != 0xFF:
            raise InvalidValueError("a damaged JPEG")
        if marker == 0xFF:  # any marker may be preceded by fill bytes
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4])
        if length < 2:
            raise InvalidValueError("a damaged JPEG")
        yield marker, position + 4, data[position + 4 : position + 2 + length]
        if marker == SCAN:
            return
        position += 2 + length
