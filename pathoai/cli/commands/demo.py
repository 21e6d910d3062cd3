"""``pathoai demo``: the whole loop on one slide, by the very commands that a user would type."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

from pathoai.cli.command import Command
from pathoai.errors import MissingFileError
from pathoai.extras import require
from pathoai.provenance import sha256_of_path
from pathoai.study.study import Study

_MODEL = "breast-nuclei-segmentation"
_GENERATED = "generated-slide.svs"
_TRUTH = "generated-truth.geojson"
_READER = "demo"
_SIDE_PX = 4096
_VALIDATED = 200


@dataclass(frozen=True, slots=True)
class DemoSlide:
    """What the loop is shown on.

    Args:
        path: The slide's file.
        truth: Its known annotations; None for a real slide.
        mpp: Its true scale, where the file's is missing or wrong.
    """

    path: Path
    truth: Path | None
    mpp: float | None = None


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder (default: demo)")
    parser.add_argument("--slide", type=Path, help="a real slide; without one a slide is generated")
    parser.add_argument("--mpp", type=float, help="its true scale, if its own is missing or wrong")
    parser.add_argument("--max-steps", type=int, help="fewer training steps, for a quick look")


def run(options: Namespace) -> None:
    require("train")
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    slide = DemoSlide(options.slide, None, options.mpp) if options.slide else _generated_slide(out)
    study = out / _study_name(options.slide)
    _prepare(study, slide)
    _label(study, slide)
    _learn_and_predict(study, slide, options.max_steps)
    _review_and_package(study)
    _say_where_to_look(study)


def _study_name(slide: Path | None) -> str:
    """A study of its own for each slide, so that a second, or a broken one, spoils no other.

    Named by content: the folder must not tell the file's name.
    """
    if slide is None:
        return "study-generated"
    if not slide.exists():
        raise MissingFileError("no such slide file", where=slide.name)
    return f"study-{sha256_of_path(slide)[:8]}"


def _step(*words: object) -> None:
    """Run a command as a user would, and show it."""
    from pathoai.cli.main import run_words

    arguments = [str(word) for word in words]
    print(f"\n$ pathoai {shlex.join(arguments)}", flush=True)
    run_words(arguments)


def _generated_slide(out: Path) -> DemoSlide:
    from pathoai.progress import progress_bar
    from pathoai.testing.generated_slide import SlideRecipe, generate_slide
    from pathoai.testing.truth_geojson import write_truth_geojson

    path, truth = out / _GENERATED, out / _TRUTH
    # The truth is written last: where it lies, the slide is whole.
    if not truth.exists():
        with progress_bar("generating a slide") as advance:
            recipe = SlideRecipe(width=_SIDE_PX, height=_SIDE_PX, seed=1)
            made = generate_slide(path, recipe, progress=advance)
        write_truth_geojson(truth, made)
    return DemoSlide(path, truth)


def _prepare(study: Path, slide: DemoSlide) -> None:
    _step("init", study, "--ontology", "breast", "--title", "pathoai demonstration")
    scale = () if slide.mpp is None else ("--mpp", slide.mpp)
    _step("add", study, slide.path, "--patient", "demo-patient", *scale)
    _step("tile", study)


def _label(study: Path, slide: DemoSlide) -> None:
    if slide.truth is None:
        _step("label", study, "--method", "hematoxylin")
        return
    _step("annotations", "import", study, slide.truth, "--author", "generator")
    choice = ("--author", "generator", "--with-proposals", "--exhaustive")
    _step("label", study, "--method", "annotations", *choice)


def _learn_and_predict(study: Path, slide: DemoSlide, max_steps: int | None) -> None:
    label = "import/hematoxylin" if slide.truth is None else "annotation/generator"
    steps = () if max_steps is None else ("--max-steps", max_steps)
    options = (*steps, *_in_place_of(Study(study).model_path(_MODEL)))
    _step("train", study, "--recipe", _MODEL, "--label", label, "--split", "area", *options)
    _step("predict", study, "--model", _MODEL)
    _step("overview", study, "--model", _MODEL)


def _review_and_package(study: Path) -> None:
    """What a pathologist would do by hand; author and package say that it was the demonstration."""
    _step("annotations", "propose", study, "--model", _MODEL)
    _step(
        *("annotations", "validate", study, "--author", _READER),
        *("--by", "model", "--region", *_region_of_first_objects(study)),
    )
    for row in Study(study).cohort:
        _step("readers", "sign-off", study, "--reader", _READER, "--slide", row.slide_id)
    opposition_date = Study(study).sheet.created[:10]
    package = study.parent / f"{study.name}-package"
    _step(
        *("package", "build", study, package),
        *("--approved-by", _READER, "--role", "demonstration, no real approval"),
        *("--opposition-date", opposition_date, *_in_place_of(package)),
    )
    _step("package", "verify", package)


def _in_place_of(earlier: Path) -> tuple[str, ...]:
    """What lets another demonstration, such as the whole after a quick look, take its place."""
    return ("--replace",) if earlier.exists() else ()


def _region_of_first_objects(path: Path) -> tuple[float, float, float, float]:
    """The top of the slide, down to the object that makes enough for a package.

    A place, not a number: validating it twice is the same as once.
    """
    from pathoai.store.objects import read_objects
    from pathoai.store.slide_store import SlideStore

    study = Study(path)
    (row,) = study.cohort
    store = SlideStore(study.store_path(row.slide_id))
    objects = read_objects(study.objects_path(row.slide_id, f"prediction/{_MODEL}"))
    tops = sorted(outline.bounds[1] for outline in objects.geometry)
    bottom = tops[: _VALIDATED + 1][-1] if tops else store.slide.size.height
    return (0.0, 0.0, float(store.slide.size.width), max(1.0, float(bottom) - 1))


def _say_where_to_look(study: Path) -> None:
    print("\nWhere to look:")
    print(f"  study     {study}")
    for picture in sorted((study / "overview").glob("*.png")):
        print(f"  picture   {picture}")
    print(f"  package   {study.parent / f'{study.name}-package'} (verified above)")
    print(f"  napari    pathoai review {shlex.quote(str(study))} --reader R1")
    print("The nuclei in the package were validated by the demonstration, by no pathologist.")


COMMAND = Command(
    "demo", "run the whole loop on one slide", "pathoai demo --out demo", configure, run
)
