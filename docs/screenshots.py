"""Pictures of the review for the documentation: every tab, on a small screen, dark and light.

    xvfb-run -a -s "-screen 0 1920x1200x24" \
        python docs/screenshots.py STUDY --out docs/images/review

STUDY is one that `pathoai demo` made; a copy of it is reviewed. The verdict is pictured on a
generated cervical slide, whose grade is written by hand: no model that grades is trained here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_pathoai.panels.review_widget import ReviewWidget
    from pathoai.study.study import Study

Steps = Mapping[str, Callable[["ReviewWidget"], None]]

_SIZES = {"small": (1366, 768), "large": (1920, 1200)}
_THEMES = ("dark", "light")
_QUALITY = 88
_READER = "R1"


def picture_study(
    folder: Path, out: Path, steps: dict[str, Callable[[ReviewWidget], None]]
) -> None:
    """Open a study and picture some tabs.

    Args:
        folder: Of the study; it is written to.
        out: Where the pictures go, ``<tab>-<screen>-<theme>.jpg``.
        steps: Name of a tab's panel → what is done before it is pictured.
    """
    import napari

    from napari_pathoai.opening.open_review import add_review
    from napari_pathoai.session import ReviewSession
    from napari_pathoai.what_to_read import choose_slide
    from pathoai.study.study import Study

    study = Study(folder)
    viewer = napari.Viewer(title="pathoai")
    session = ReviewSession(study, choose_slide(study, None), _READER)
    widget = add_review(viewer, session)
    for name, prepare in steps.items():
        for screen, size in _SIZES.items():
            viewer.window.resize(*size)
            widget.show_panel(getattr(widget, name))
            _settle(1.5)
            prepare(widget)
            for theme in _THEMES:
                viewer.theme = theme
                _settle(1.5)
                _save(
                    viewer.window.screenshot(canvas_only=False, flash=False),
                    out / f"{name}-{screen}-{theme}.jpg",
                )
    widget.review.end()
    viewer.close()


def _save(pixels: object, path: Path) -> None:
    import numpy as np
    from PIL import Image

    Image.fromarray(np.asarray(pixels)[..., :3]).save(path, quality=_QUALITY, optimize=True)
    print(path.name, flush=True)


def _settle(seconds: float) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def _begin_reading(widget: ReviewWidget) -> None:
    if widget.review.session is not None and widget.review.session.regions.position == 0:
        widget.reading.next()
    _settle(1.0)


def _select_one(widget: ReviewWidget) -> None:
    widget.annotate.next_proposal()
    _settle(1.0)


def _nothing(_widget: ReviewWidget) -> None:
    """The tab speaks for itself."""


def _see_all(widget: ReviewWidget) -> None:
    widget.review.viewer.reset_view()
    _settle(1.0)


def _grade(widget: ReviewWidget) -> None:
    widget.verdict.choose("hsil")
    _settle(1.0)


def make_graded(folder: Path) -> None:
    """A generated cervical slide with a grade made by hand."""
    from pathoai.study.study import Study
    from pathoai.testing.generated_slide import SlideRecipe, generate_slide
    from tests.annotations.review.graded import grade

    slide, study = folder / "slide.svs", folder / "graded"
    generate_slide(slide, SlideRecipe(width=4096, height=3072, mpp=0.5, seed=3, organ="cervix"))
    for words in (
        ("init", str(study), "--ontology", "cervix"),
        ("add", str(study), str(slide)),
        ("tile", str(study)),
    ):
        subprocess.run([sys.executable, "-m", "pathoai", *words], check=True, capture_output=True)
    opened: Study = Study(study)
    (row,) = opened.cohort
    grade(opened, row.slide_id)


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="made by `pathoai demo`")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "NAPARI_CONFIG": f"{folder}/settings.yaml",
            "PATHOAI_VAULT": f"{folder}/vault",
            "PATHOAI_LANGUAGE": "en",
        }
        copy = Path(folder) / "study"
        shutil.copytree(options.study, copy)
        steps = {
            "worklist": _see_all,
            "reading": _begin_reading,
            "annotate": _select_one,
            "grid": _nothing,
            "model": _nothing,
            "view": _see_all,
        }
        picture_study(copy, options.out, steps)
        make_graded(Path(folder))
        picture_study(Path(folder) / "graded", options.out, {"verdict": _grade})


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
