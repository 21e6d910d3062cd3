"""The options of ``pathoai tile``: what they ask for, and what they refuse."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

import pytest
from PIL import Image

from pathoai.cli.main import main
from pathoai.cli.tiling_options import add_tiling_options, chosen_settings, share
from pathoai.errors import InvalidValueError, MissingFileError
from pathoai.preprocess.stain.reference import reference_profile
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.study.study import Study


def _settings(*words: str, stain: str = "HE") -> TilingSettings:
    parser = ArgumentParser()
    add_tiling_options(parser)
    parser.set_defaults(workers=2, device="cpu")
    return chosen_settings(parser.parse_args(words), stain)


def test_without_options_the_slides_own_tiles_are_wanted() -> None:
    settings = _settings()
    assert (settings.mpp, settings.encoding, settings.normalisation) == (None, "auto", None)
    assert (settings.spec.mpp, settings.tissue_method) == (0.5, "h-and-e")


def test_tissue_is_sought_as_fits_the_stain() -> None:
    assert _settings(stain="HES").tissue_method == _settings().tissue_method != "ihc"
    assert _settings(stain="CD3CD20").tissue_method == "ihc"
    assert _settings("--tissue", "faint", stain="CD3CD20").tissue_method == "faint"
    assert _settings("--tissue", "ihc").tissue_method == "ihc"


@pytest.mark.parametrize(
    ("words", "mpp"),
    [(["--mpp", "1"], 1.0), (["--tile-mpp", "2"], 2.0), (["--mpp", "1", "--tile-mpp", "4"], 4.0)],
)
def test_tiles_are_counted_at_the_scale_asked_for(words: list[str], mpp: float) -> None:
    assert _settings(*words).spec.mpp == mpp


@pytest.mark.parametrize(("text", "value"), [("0.1%", 0.001), ("0.02", 0.02), ("0", 0.0)])
def test_a_share_is_written_in_percent_or_as_such(text: str, value: float) -> None:
    assert share(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["-1%", "101%", "1.5", "much", "%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="no share"):
        share(text)


def test_a_target_of_ones_own(tmp_path: Path) -> None:
    target = tmp_path / "target.json"
    profile = reference_profile("vahadane")
    target.write_text(json.dumps(profile.to_dict()))
    settings = _settings("--normalise", "vahadane", "--target", str(target))
    assert settings.normalisation == profile.to_dict()
    with pytest.raises(InvalidValueError, match="another method"):
        _settings("--normalise", "macenko", "--target", str(target))
    with pytest.raises(InvalidValueError, match="target without a method"):
        _settings("--target", str(target))
    target.write_text("[]")
    with pytest.raises(InvalidValueError, match="not a stain profile"):
        _settings("--normalise", "macenko", "--target", str(target))
    with pytest.raises(MissingFileError, match=r"gone\.json"):
        _settings("--normalise", "macenko", "--target", str(tmp_path / "gone.json"))


def test_a_slide_without_tissue_shows_its_thumbnail(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (900, 700), (243, 243, 243)).save(blank)
    assert main(["add", str(study.path), str(blank), "--mpp", "0.5"]) == 0
    assert main(["tile", str(study.path)]) == 1
    (row,) = study.cohort
    picture = study.no_tissue_path(row.slide_id)
    assert f"overview/{picture.name}" in capsys.readouterr().err
    with Image.open(picture) as shown:
        assert max(shown.size) <= 1024
    assert picture in study.derived_copies(row.slide_id)
    assert main(["tile", str(study.path), "--tissue", "whole"]) == 0
    assert not picture.exists()
