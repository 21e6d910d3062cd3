from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_pathoai.commands.review import COMMAND
from napari_pathoai.opening.open_review import (
    check_display,
    check_installed,
    check_qt_binding,
    open_review,
)
from pathoai.errors import (
    AnnotationError,
    InvalidValueError,
    MissingDependencyError,
    MissingFileError,
    StudyError,
)
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import HEIGHT, OTHER_SLIDE, SLIDE, SQUARE_RGB, WIDTH, square

ANNOUNCED = ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")


def test_no_display_is_one_error_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, study: Study
) -> None:
    for name in ANNOUNCED:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StudyError, match="xvfb-run"):
        check_display("linux")
    check_display("darwin")
    if sys.platform.startswith("linux"):
        with pytest.raises(StudyError, match="no display"):
            open_review(study.path)


@pytest.mark.parametrize("name", ANNOUNCED)
def test_any_announced_display_will_do(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in ANNOUNCED:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "x")
    check_display("linux")


@pytest.mark.parametrize(
    ("installed", "missing"),
    [
        ({"qtpy", "PySide6"}, "napari"),
        ({"napari", "qtpy"}, "PySide6"),
        (set(), "napari and no qt"),
    ],
)
def test_a_missing_package_names_the_extra(installed: set[str], missing: str) -> None:
    with pytest.raises(MissingDependencyError, match=rf"no {missing}.*pathoai\[napari\]"):
        check_installed(lambda name: name if name in installed else None)


def test_the_binding_that_aborts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "6.12.0")
    with pytest.raises(MissingDependencyError, match=r"pyside6!=6\.12\.0"):
        check_qt_binding((3, 11))
    check_qt_binding((3, 12))
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "6.11.3")
    check_qt_binding((3, 11))


def test_what_cannot_be_shown_is_refused_before_a_window_opens(
    study: Study, tmp_path: Path
) -> None:
    with pytest.raises(MissingFileError, match="pathoai init"):
        open_review(tmp_path / "absent")
    with pytest.raises(StudyError, match="no such slide"):
        open_review(study.path, slide_id="0000000000000000")
    with pytest.raises(Exception, match="pathoai tile"):
        open_review(study.path, slide_id=OTHER_SLIDE)
    with pytest.raises(AnnotationError, match="short codes"):
        open_review(study.path, reader="")
    for at in ((-1.0, 5.0), (5.0, HEIGHT + 1.0), (float("nan"), 5.0)):
        with pytest.raises(
            InvalidValueError, match=rf"does not lie on the slide.*{WIDTH},{HEIGHT}"
        ):
            open_review(study.path, at=at)


def test_the_command_takes_the_options_it_documents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    COMMAND.configure(parser)
    found = parser.parse_args(
        [str(tmp_path), "--slide", "X", "--reader", "R2", "--screenshot", "a.png", "--at", "12,3.5"]
    )
    assert found.at == (12.0, 3.5)
    given = parser.parse_args([str(tmp_path), "--outline-model", "a.onnx"])
    assert given.outline_model == Path("a.onnx")
    assert parser.parse_args([str(tmp_path)]).at is None
    for wrong in ("12", "1,2,3", "a,b", ""):
        with pytest.raises(SystemExit):
            parser.parse_args([str(tmp_path), "--at", wrong])
    assert "two numbers, e.g. 12000,8500" in capsys.readouterr().err
    assert (found.slide, found.reader, found.screenshot) == ("X", "R2", Path("a.png"))
    assert parser.parse_args([str(tmp_path)]).reader is None
    queued = parser.parse_args([str(tmp_path), "--queue", "q.csv", "--control-share", "0.2"])
    assert (queued.queue, queued.control_share) == (Path("q.csv"), 0.2)
    assert (found.queue, found.regions, found.random_share) == (None, 20, None)


@pytest.mark.usefixtures("display")
def test_a_screenshot_is_a_picture_of_the_whole_window(study: Study, tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "window.png"
    script = (
        "import sys\n"
        f"sys.path[:0] = {[str(p) for p in sys.path if p]!r}\n"
        "from pathlib import Path\n"
        "from napari_pathoai.opening.open_review import open_review\n"
        f"open_review(Path({str(study.path)!r}), screenshot=Path({str(picture)!r}))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=80)
    with Image.open(picture) as image:
        assert image.width >= 1000
        colours = image.convert("RGB").getcolors(1 << 24)
        assert colours is not None
        assert (230, 200, 215) in {colour for _, colour in colours}


@pytest.mark.usefixtures("display")
def test_the_line_below_a_case_of_a_report_opens_its_place(study: Study, tmp_path: Path) -> None:
    """The printed command itself, in the folder of the study; the third square fills the middle."""
    from PIL import Image

    from pathoai.geometry import Region
    from pathoai_training.report.context import CaseRegion
    from pathoai_training.report.evaluation_parts import review_command

    left, top, right, bottom = square(2).bounds
    case = CaseRegion(SLIDE, Region(left, top, right - left, bottom - top), "worst", b"")
    program, *words = review_command(case).split()
    assert program == "pathoai"
    picture = tmp_path / "place.png"
    script = (
        "import sys\n"
        f"sys.path[:0] = {[str(p) for p in sys.path if p]!r}\n"
        "from pathoai.cli.main import main\n"
        f"sys.exit(main({[*words, '--screenshot', str(picture)]!r}))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=80, cwd=study.path)
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    is_square = np.abs(pixels - SQUARE_RGB).max(axis=2) <= 3
    # The list of layers shows the slide, too, but small.
    parts, _ = ndimage.label(is_square)
    rows, columns = np.nonzero(parts == np.bincount(parts.ravel())[1:].argmax() + 1)
    # 50 µm, where 250 µm take 35 % of the canvas; from far away, all of it would take 27 pixels.
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert 40 < height < 100
    assert abs(width / height - 1) < 0.1
    assert len(rows) > 0.9 * height * width
