"""``pathoai label``: labels of a store from colour or from annotations, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from shapely import Point, box

from pathoai.cli.main import main
from pathoai.ontology import LabelClass, load_ontology
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import read_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.journal import Journal

Draw = Callable[..., Annotation]
Capture = pytest.CaptureFixture[str]

BREAST = load_ontology("breast")
NUCLEUS_RGB, TISSUE_RGB = (80, 45, 130), (235, 190, 215)
RADIUS_PX = 9
# Centres of nuclei in pixels of the store, and of one outside the tissue.
CENTRES = [(100, 100), (180, 120), (260, 300), (420, 80), (450, 440), (90, 400)]
OUTSIDE = (520, 250)


def _label(study: Study, *words: str) -> int:
    return main(["label", str(study.path), *words])


def _error(capsys: Capture) -> str:
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("pathoai: error: ")]
    assert "bug" not in line
    return line


def _propose(study: Study, annotations: Sequence[Annotation]) -> None:
    with Journal.open(study) as journal:
        journal.propose(annotations)


def _pixels(size_px: int) -> np.ndarray:
    y, x = np.mgrid[:size_px, :size_px] + 0.5
    image = np.empty((3, size_px, size_px), np.uint8)
    image[:] = np.array(TISSUE_RGB, np.uint8)[:, None, None]
    for centre in (*CENTRES, OUTSIDE):
        inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < RADIUS_PX**2
        image[:, inside] = np.array(NUCLEUS_RGB, np.uint8)[:, None]
    return image


@pytest.fixture
def stained(study: Study, slide_id: str) -> Study:
    """The study with a store of 560 × 560 pixels, twice as coarse as the slide, of nuclei."""
    path, header = study.store_path(slide_id), StoreHeader(slide_id, 1120, 1120, 0.25, 0.25, 0.5)
    image = ImageWriter(path, header)
    image.finest.write((0, 0), _pixels(560))
    tissue_class = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    tissue = LabelWriter(path, header, LabelRecipe("tissue", (tissue_class,), {}, factor=4))
    mask = np.ones((140, 140), np.uint8)
    mask[:, 120:] = 0
    tissue.class_map.write((0, 0), mask)
    tissue.finish()
    image.finish()
    return study


def test_colour_alone_proposes_the_nuclei_in_tissue(
    stained: Study, slide_id: str, capsys: Capture
) -> None:
    assert _label(stained, "--method", "hematoxylin", "--device", "cpu") == 0
    said = capsys.readouterr().out
    assert said == (
        f"{slide_id}: 6 nuclei proposed by colour alone (6 new), seen by no pathologist\n"
    )
    with Journal.open(stained) as journal:
        found = journal.annotations()
    for annotation in found:
        assert annotation.status is Status.PROPOSED
        assert (annotation.label, annotation.origin, annotation.author) == (
            "nucleus",
            "import",
            "hematoxylin",
        )
        assert annotation.derived_from == "method:hematoxylin"
        assert annotation.confidence is None
        # Level-0 pixels: twice those of the store.
        assert annotation.geometry.area == pytest.approx(4 * np.pi * RADIUS_PX**2, rel=0.2)
    assert len(found) == len(CENTRES)
    for x, y in CENTRES:
        assert sum(a.geometry.contains(Point(2 * x, 2 * y)) for a in found) == 1
    assert len(read_objects(stained.objects_path(slide_id, "import/hematoxylin"))) == len(CENTRES)


def test_the_label_by_colour_is_unknown_outside_tissue_and_says_that_nobody_saw_it(
    stained: Study, slide_id: str
) -> None:
    assert _label(stained, "--method", "hematoxylin", "--device", "cpu") == 0
    label = SlideStore(stained.store_path(slide_id)).label("import/hematoxylin")
    pixels = label.read_all()
    assert (pixels[:, 480:] == 255).all()
    assert set(np.unique(pixels[:, :480])) == {0, BREAST["nucleus"].index}
    assert (label.about["origin"], label.about["status"]) == ("import", "proposed")
    assert "not validated by a pathologist" in label.about["description"]


def test_colour_again_proposes_nothing_new_and_keeps_what_a_reader_said(
    stained: Study, capsys: Capture
) -> None:
    assert _label(stained, "--method", "hematoxylin", "--device", "cpu") == 0
    with Journal.open(stained) as journal:
        journal.reject([journal.annotations()[0].id], author="R1")
    capsys.readouterr()
    assert _label(stained, "--method", "hematoxylin", "--device", "cpu") == 0
    assert "6 nuclei proposed by colour alone (0 new)" in capsys.readouterr().out
    with Journal.open(stained) as journal:
        counts = journal.counts()
    assert (counts[Status.PROPOSED], counts[Status.REJECTED]) == (5, 1)


def test_annotations_become_a_label_once(
    tiled: Study, slide_id: str, draw: Draw, capsys: Capture
) -> None:
    annotation = draw(geometry=box(100, 40, 140, 60), slide_id=slide_id)
    _propose(tiled, [annotation])
    with Journal.open(tiled) as journal:
        journal.validate([annotation.id], author="R2")
        journal.sign_off(slide_id, author="R2")
    words = ("--method", "annotations", "--author", "R2", "--exhaustive")
    store = tiled.store_path(slide_id)
    for _ in range(2):
        assert _label(tiled, *words) == 0
        assert capsys.readouterr().out == (
            f"{slide_id}: label annotation/R2: 1 annotations, 1 validated\n"
        )
        pixels = SlideStore(store).label("annotation/R2").read_all()
        assert (pixels == BREAST["dcis"].index).sum() == 20 * 10
        assert (pixels == 0).any()


def test_what_is_not_signed_off_is_taken_only_where_asked_for_and_said(
    tiled: Study, slide_id: str, draw: Draw, capsys: Capture
) -> None:
    signed, waits = (
        draw(name, slide_id=slide_id, geometry=box(x, 40, x + 40, 60))
        for name, x in (("signed", 100), ("waits", 200))
    )
    _propose(tiled, [signed, waits])
    with Journal.open(tiled) as journal:
        journal.validate([signed.id], author="R1")
        journal.sign_off(slide_id, author="R1")
        journal.validate([waits.id], author="R2")
    for words, painted, said in (
        ((), 200, "1 annotations, 1 validated"),
        (("--unsigned",), 400, "2 annotations, 2 validated, 1 of them not signed off"),
        (("--with-proposals",), 400, "2 annotations, 2 validated, 1 of them not signed off"),
    ):
        assert _label(tiled, "--method", "annotations", *words) == 0
        assert capsys.readouterr().out == f"{slide_id}: label annotation/all: {said}\n"
        label = SlideStore(tiled.store_path(slide_id)).label("annotation/all")
        assert (label.read_all() == BREAST["dcis"].index).sum() == painted
        assert label.about.get("unsigned", 0) == (painted == 400)
    records = tiled.provenance_path.glob("label-*.json")
    about = [json.loads(path.read_text())["parameters"]["about"] for path in records]
    assert {one.get("unsigned", 0) for one in about} == {0, 1}
    assert _label(tiled, "--method", "annotations", "--author", "R2") == 1
    assert "--unsigned" in _error(capsys)


def test_a_label_leaves_a_record_of_what_it_was_made_from(
    tiled: Study, slide_id: str, draw: Draw
) -> None:
    _propose(tiled, [draw(slide_id=slide_id, geometry=box(0, 0, 9, 9))])
    assert _label(tiled, "--method", "annotations", "--with-proposals") == 0
    (record,) = (json.loads(p.read_text()) for p in tiled.provenance_path.glob("label-*.json"))
    assert record["parameters"]["label"] == "annotation/all"
    assert record["parameters"]["about"]["status"] == "proposed"
    assert list(record["inputs"]) == [f"store/{slide_id}"]
    assert list(record["outputs"]) == [f"label/{slide_id}/annotation/all"]


def test_only_the_chosen_annotations_are_painted(
    tiled: Study, slide_id: str, draw: Draw, capsys: Capture
) -> None:
    own = [draw(n, slide_id=slide_id, author=n, geometry=box(0, 0, 9, 9)) for n in ("R1", "R2")]
    _propose(tiled, own)
    assert _label(tiled, "--method", "annotations") == 1
    assert "none of the wanted author and signed off" in _error(capsys)
    assert _label(tiled, "--method", "annotations", "--with-proposals", "--author", "R3") == 1
    assert "--with-proposals" in _error(capsys)
    assert _label(tiled, "--method", "annotations", "--with-proposals", "--author", "R1") == 0
    assert "label annotation/R1: 1 annotations, 1 proposed" in capsys.readouterr().out


def test_a_bad_slide_does_not_keep_the_others_back(
    tiled: Study, slide_id: str, tmp_path: Path, draw: Draw, capsys: Capture
) -> None:
    source = tmp_path / "second.svs"
    source.write_bytes(b"another slide")
    (second,) = tiled.add([IncomingSlide(source)])
    _propose(tiled, [draw(slide_id=slide_id, geometry=box(0, 0, 9, 9))])
    words = ("--method", "annotations", "--with-proposals")
    assert _label(tiled, *words) == 1
    said = capsys.readouterr()
    assert f"{slide_id}: label annotation/all" in said.out
    assert "1 of 2 slides failed; the others are done" in said.err
    assert f"{second.slide_id}: there is no store for this slide" in said.err
    assert _label(tiled, *words, "--slides", slide_id) == 0


def test_an_ontology_without_nuclei_says_which_classes_it_has(
    stained: Study, capsys: Capture
) -> None:
    own = stained.path / "own.yaml"
    own.write_text(
        "key: own\nversion: '1'\ntitle: Own\nclasses:\n"
        "  - {index: 0, key: background, name: B, name_fr: F, colour: '#ffffff'}\n"
        "  - {index: 1, key: nuclei, name: N, name_fr: N, colour: '#000000'}\n"
    )
    sheet = stained.path / "study.toml"
    sheet.write_text(sheet.read_text().replace('"breast"', '"own.yaml"'))
    assert _label(stained, "--method", "hematoxylin", "--device", "cpu") == 1
    error = _error(capsys)
    assert "unknown class; found 'nucleus'; allowed: background, nuclei" in error
    assert "Remedy: did you mean 'nuclei'?" in error
    assert not stained.journal_path.exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["annotations", "--slides", "nope"], "the study has no such slide; found nope"),
        (["annotations"], "there is no store for this slide. Remedy: make it with `pathoai tile"),
        (["hematoxylin"], "there is no store for this slide. Remedy: make it with `pathoai tile"),
    ],
)
def test_a_misuse_is_one_clear_line(
    study: Study, capsys: Capture, words: list[str], expected: str
) -> None:
    assert _label(study, "--method", *words) == 1
    assert expected in _error(capsys)


@pytest.mark.parametrize("source", [["--method", "hematoxylin"], ["--marker", "AE1AE3"]])
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--exhaustive"], "--exhaustive"),
        (["--unsigned", "--with-proposals"], "--unsigned, --with-proposals"),
        (["--read-regions"], "--read-regions"),
        (["--author", "R1"], "--author"),
    ],
)
def test_words_that_the_source_does_not_heed_are_refused(
    study: Study, capsys: Capture, source: list[str], words: list[str], named: str
) -> None:
    assert _label(study, *source, *words) == 1
    said = _error(capsys)
    assert f"{named}: only labels from annotations heed this; found {' '.join(source)};" in said


def test_a_device_that_is_not_here_is_refused(stained: Study, capsys: Capture) -> None:
    assert _label(stained, "--method", "hematoxylin", "--device", "abacus") == 1
    assert "--device: no such device here; found 'abacus'" in _error(capsys)


@pytest.mark.parametrize(("name", "expected"), [("empty", "not a study"), ("none", "no such")])
def test_a_folder_that_is_no_study_is_named_with_a_remedy(
    tmp_path: Path, capsys: Capture, name: str, expected: str
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["label", str(tmp_path / name), "--method", "annotations"]) == 1
    error = _error(capsys)
    assert f"{name}: {expected}" in error
    assert "pathoai init" in error


def test_a_study_without_slides_says_so(tmp_path: Path, capsys: Capture) -> None:
    empty = Study.create(tmp_path / "new", ontology="breast")
    assert _label(empty, "--method", "annotations") == 1
    assert "no slides yet" in _error(capsys)


@pytest.mark.parametrize("words", [[], ["--method", "guess"], ["--method", "annotations", "--exh"]])
def test_unknown_and_shortened_options_are_refused(study: Study, words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        _label(study, *words)
    assert stopped.value.code == 2
