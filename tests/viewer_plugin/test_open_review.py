from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from napari_pathoai.commands.review import COMMAND
from napari_pathoai.open_review import check_display, check_installed, check_qt_binding, open_review
from pathoai.errors import MissingDependencyError, MissingFileError, StudyError
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import OTHER_SLIDE

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


def test_the_command_takes_the_options_it_documents(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    COMMAND.configure(parser)
    found = parser.parse_args(
        [str(tmp_path), "--slide", "X", "--reader", "R2", "--screenshot", "a.png"]
    )
    assert (found.slide, found.reader, found.screenshot) == ("X", "R2", Path("a.png"))
    assert parser.parse_args([str(tmp_path)]).reader == "R1"


@pytest.mark.usefixtures("display")
def test_a_screenshot_is_a_picture_of_the_whole_window(study: Study, tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "window.png"
    script = (
        "import sys\n"
        f"sys.path[:0] = {[str(p) for p in sys.path if p]!r}\n"
        "from pathlib import Path\n"
        "from napari_pathoai.open_review import open_review\n"
        f"open_review(Path({str(study.path)!r}), screenshot=Path({str(picture)!r}))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=80)
    with Image.open(picture) as image:
        assert image.width >= 1000
        colours = image.convert("RGB").getcolors(1 << 24)
        assert colours is not None
        assert (230, 200, 215) in {colour for _, colour in colours}
