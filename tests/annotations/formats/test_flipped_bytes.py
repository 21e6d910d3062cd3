"""Bytes of a file that were altered on the way: it is read, or refused in one clear error."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pathoai.errors import PathoaiError
from tests.annotations.formats.conformance import FormatConformance
from tests.annotations.formats.test_dicom_ann import TestDicomAnn as _DicomAnn
from tests.annotations.formats.test_dicom_seg import TestDicomSeg as _DicomSeg
from tests.annotations.formats.test_geoparquet import TestGeoParquet as _GeoParquet
from tests.annotations.formats.test_patch_h5 import TestPatchH5 as _PatchH5

_TRIES = 30
_HEAD_BYTES = 12_000
"""Where what is said of the file lies; behind it there are pixels, which may be anything."""


@pytest.mark.parametrize("kind", [_DicomAnn, _DicomSeg, _GeoParquet, _PatchH5])
def test_flipped_bytes_give_no_other_error(tmp_path: Path, kind: type[FormatConformance]) -> None:
    format_, draws = kind(), random.Random(3)
    refusals: list[str] = []
    path = tmp_path / f"file{format_.suffix}"
    format_.write(path, format_.samples())
    whole = path.read_bytes()
    for _ in range(_TRIES):
        altered = bytearray(whole)
        for _ in range(draws.choice((1, 3, 20))):
            altered[draws.randrange(min(len(whole), _HEAD_BYTES))] = draws.randrange(256)
        path.write_bytes(bytes(altered))
        try:
            format_.read(path)
        except PathoaiError as error:
            refusals.append(str(error))
    assert 0 < len(refusals) < _TRIES
    assert all("file" in refusal and str(tmp_path) not in refusal for refusal in refusals)
