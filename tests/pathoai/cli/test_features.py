"""``pathoai features``: resumable, recorded without paths, and refused once where it cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pathoai.cli.main import main
from pathoai.models.encoder_registry import EncoderRegistry, RegisteredEncoder
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideTruth
from tests.pathoai.made_encoders import tiny_encoder

_Printed = pytest.CaptureFixture[str]


@pytest.fixture
def tiled(study: Study, generated: tuple[Path, SlideTruth], capsys: _Printed) -> Study:
    study.add([IncomingSlide(generated[0])])
    assert main(["tile", str(study.path), "--device", "cpu"]) == 0
    capsys.readouterr()
    return study


def _registered(folder: Path, **changes: Any) -> RegisteredEncoder:  # noqa: ANN401 - any field
    folder.mkdir()
    encoder = tiny_encoder(folder, **changes)
    EncoderRegistry().put(encoder)
    return encoder


def _error(printed: _Printed) -> str:
    (line,) = (li for li in printed.readouterr().err.splitlines() if li.startswith("pathoai: "))
    return line


def _records(study: Study) -> list[dict[str, Any]]:
    files = sorted(study.provenance_path.glob("features-*.json"))
    return [json.loads(file.read_text("utf8")) for file in files]


def test_features_are_kept_recorded_and_not_made_twice(
    tiled: Study, tmp_path: Path, capsys: _Printed
) -> None:
    encoder = _registered(tmp_path / "DUPONT", licence="CC-BY-NC-ND-4.0", commercial=False, mpp=0.5)
    words = ["features", str(tiled.path), "--encoder", "tiny", "--device", "cpu"]
    assert main([*words, "--workers", "1"]) == 0
    (row,) = tiled.cohort
    store = SlideStore(tiled.store_path(row.slide_id))
    features = store.features("tiny")
    assert capsys.readouterr().out.startswith(
        f"{row.slide_id}: {len(features)} tiles by tiny, licence CC-BY-NC-ND-4.0"
    )
    assert len(features) == len(store.tiles(features.spec))
    (record,) = _records(tiled)
    assert record["parameters"]["encoder"] == encoder.about
    assert record["parameters"]["encoder"]["accepted_licence"] == "CC-BY-NC-ND-4.0"
    assert record["inputs"] == {
        f"store/{row.slide_id}": store.identity,
        "encoder": encoder.sha256,
    }
    assert main(words) == 0
    assert "complete before this run" in capsys.readouterr().out
    written = [f.read_bytes() for f in tiled.path.rglob("*") if f.is_file()]
    assert not any(b"DUPONT" in content for content in written)

    assert main(["store", "info", str(tiled.path)]) == 0
    line = f"features   tiny: tiles {len(features)}, length 48, mpp 0.5, licence CC-BY-NC-ND-4.0"
    assert line in capsys.readouterr().out
    assert main(["store", "verify", str(tiled.path), "--decode"]) == 0


@pytest.mark.parametrize(
    ("mpp", "words", "message"),
    [
        (0.5, ["--mpp", "0.6"], "another scale than the encoder was trained on; found 0.6"),
        (None, [], "no scale of its own; found no --mpp"),
        (0.25, [], "coarser than the tiles that the encoder takes; found 0.5"),
        (0.5, ["--batch-size", "0"], "batch size; found 0"),
        (0.5, ["--workers", "0"], "workers; found 0"),
        (0.5, ["--overlap", "16"], "tile overlap; found 16"),
        (0.5, ["--device", "cuda:99"], "no such device here"),
        (0.5, ["--slides", "NOSUCH"], "no such slide"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    mpp: float | None,
    words: list[str],
    message: str,
    tiled: Study,
    tmp_path: Path,
    capsys: _Printed,
) -> None:
    _registered(tmp_path / "own", mpp=mpp)
    assert main(["features", str(tiled.path), "--encoder", "tiny", *words]) == 1
    assert message in _error(capsys)
    assert not _records(tiled)


def test_an_encoder_without_scale_takes_the_stated_one(tiled: Study, tmp_path: Path) -> None:
    _registered(tmp_path / "own", mpp=None)
    words = ["features", str(tiled.path), "--encoder", "tiny", "--mpp", "1", "--min-tissue", "0.5"]
    assert main([*words, "--overlap", "4", "--precision", "float32"]) == 0
    (row,) = tiled.cohort
    features = SlideStore(tiled.store_path(row.slide_id)).features("tiny")
    spec = features.spec
    assert (spec.size_px, spec.mpp, spec.overlap_px, spec.min_tissue_fraction) == (16, 1, 4, 0.5)
    assert features.features.dtype == "float32"


def test_an_encoder_that_is_not_registered_or_was_altered_is_refused(
    tiled: Study, tmp_path: Path, capsys: _Printed
) -> None:
    words = ["features", str(tiled.path), "--encoder"]
    assert main([*words, "virchow2"]) == 1
    assert "pathoai encoders register virchow2" in _error(capsys)
    encoder = _registered(tmp_path / "own")
    content = bytearray(encoder.path.read_bytes())
    content[-1] ^= 1
    encoder.path.write_bytes(content)
    for more in ([], ["--cluster", "dask"]):
        assert main([*words, "tiny", *more]) == 1
        assert "altered since they were registered" in _error(capsys)
