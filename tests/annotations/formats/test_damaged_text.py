"""A file of which any byte may be wrong is read or refused in one clear line, and nothing else."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from pathoai.errors import PathoaiError
from tests.annotations.formats import test_conformance as of
from tests.annotations.formats.conformance import FormatConformance

_SIGNS = b'0123456789.-eE"{}[]<>,;:&x \n\0\xff'
_CELL = {"contour": [[9, 9], [30, 9], [30, 30]], "type": "nucleus", "type_prob": 0.5}
_FILES = 120

# Named through their module, so that pytest does not run their tests here again.
FORMATS = (
    of.TestAsapXml,
    of.TestGeoJson,
    of.TestImageScopeXml,
    of.TestPointsInPixels,
    of.TestTissueNet,
)


class HoverNet(FormatConformance):
    name, suffix = "hovernet-json", ".json"


def _damaged(whole: bytes, chance: random.Random) -> bytes:
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at, kind = chance.randrange(len(data)), chance.random()
        if kind < 0.4:
            data[at] = chance.choice(_SIGNS)
        elif kind < 0.7:
            del data[at : at + chance.choice((1, 2, 10, 50))]
        else:
            start = chance.randrange(len(data))
            data[at:at] = data[start : start + chance.choice((1, 3, 20))]
    return bytes(data)


@pytest.mark.parametrize("kind", [*FORMATS, HoverNet], ids=lambda kind: kind.name)
def test_bytes_changed_at_random_are_never_a_bug(
    kind: type[FormatConformance], tmp_path: Path
) -> None:
    one, path = kind(), tmp_path / f"file{kind.suffix}"
    if kind is HoverNet:
        path.write_text(json.dumps({"mpp": 0.25, "nuc": {"1": _CELL, "2": _CELL}}))
    else:
        one.write(path, one.samples())
    whole, chance, refused = path.read_bytes(), random.Random(0), 0
    for number in range(_FILES):
        path.write_bytes(_damaged(whole, chance))
        try:
            one.read(path, repair=bool(number % 2))
        except PathoaiError:
            refused += 1
    assert refused > _FILES / 10
