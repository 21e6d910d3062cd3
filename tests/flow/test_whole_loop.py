"""The whole loop, by the very commands a user types: slide → store → … → verified package."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pathoai.cli.main import main
from pathoai.geometry import Size
from pathoai.models.bundle import load_bundle
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED
from pathoai.privacy import pseudonym
from pathoai.store.objects import read_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import OF_RECORD
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.record import slide_record
from pathoai_training.splits.split import SUBSETS, Split

pytestmark = pytest.mark.long

MODEL = "breast-nuclei-segmentation"
HELD_OUT_DICE = 0.80


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("vault")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATHOAI_VAULT", str(folder))
        # Codes decide which area is held out: with a key of chance, or one that is derived for a
        # study made just now, each run would measure another.
        patch.setattr(pseudonym.StudySecret, "coding_key", bytes(32))
        yield folder


@pytest.fixture(scope="module")
def generated(vault: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration on a generated slide, in a folder of its own."""
    out = tmp_path_factory.mktemp("generated")
    assert main(["demo", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def real(vault: Path, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration on a real slide; few steps: what it learns is measured on the other."""
    out = tmp_path_factory.mktemp("real")
    slide = real_data / "wsi" / "cmu-1-small-region.svs"
    assert main(["demo", "--out", str(out), "--slide", str(slide), "--max-steps", "20"]) == 0
    return out


def study_in(out: Path) -> Path:
    """The one study that a demonstration left."""
    (sheet,) = out.glob("study-*/study.toml")
    return sheet.parent


def only_store(study: Study) -> SlideStore:
    (row,) = study.cohort
    return SlideStore(study.store_path(row.slide_id))


def held_out_pixels(
    study: Study, store: SlideStore
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Which pixels of the store lie in the blocks that training kept for the test."""
    (path,) = study.splits_path.glob("area-*.json")
    split = Split.read(path)
    height, width = store.array(0).shape[1:]
    side = round(split.block_px * split.mpp / store.mpp)
    blocks = split.block_map(store.slide_id, (-(-height // side), -(-width // side)))
    in_test = blocks == SUBSETS.index("test")
    return np.kron(in_test, np.ones((side, side), bool))[:height, :width].astype(bool)


def test_nuclei_of_the_held_out_area_are_found(generated: Path) -> None:
    study = Study(generated / "study-generated")
    store = only_store(study)
    # The store keeps the slide's own pixels; the model sees every second one.
    step = store.label(f"prediction/{MODEL}").factors[0]
    truth = store.label("annotation/generator").read_all()[::step, ::step]
    found = store.label(f"prediction/{MODEL}").read_all()
    roll_up = study.ontology.roll_up(("nucleus",))
    is_nucleus = np.array([roll_up.get(i, 0) == 1 for i in range(256)])
    assessed = (truth != NOT_ASSESSED) & (found != NOT_ASSESSED)
    held_out = held_out_pixels(study, store)[::step, ::step] & assessed
    assert held_out.sum() > 50_000
    true, predicted = is_nucleus[truth[held_out]], is_nucleus[found[held_out]]
    dice = 2 * (true & predicted).sum() / (true.sum() + predicted.sum())
    assert dice >= HELD_OUT_DICE


def test_bundle_says_what_it_was_trained_on(generated: Path, real: Path) -> None:
    on_truth = load_bundle(Study(generated / "study-generated").model_path(MODEL))
    on_colour = load_bundle(Study(study_in(real)).model_path(MODEL))
    assert "origin import" in str(on_truth.training["label_statement"])
    assert "hematoxylin" in str(on_colour.training["label_statement"])
    assert "not validated" in str(on_colour.training["label_statement"])
    assert on_truth.calibration.reliability.count


@pytest.mark.parametrize("which", ["generated", "real"])
def test_loop_leaves_every_part(which: str, request: pytest.FixtureRequest) -> None:
    out: Path = request.getfixturevalue(which)
    study = Study(study_in(out))
    store = only_store(study)
    store.verify()
    objects = read_objects(study.objects_path(store.slide_id, f"prediction/{MODEL}"))
    assert len(objects) > 100
    with Journal.open(study) as journal:
        counts = journal.counts()
        of_record = slide_record(journal, store.slide_id).ids
    assert 100 < sum(counts[status] for status in OF_RECORD) == len(of_record) < 300
    with Image.open(study.path / "overview" / f"{store.slide_id}.png") as picture:
        assert min(picture.size) > 1000
        assert len(picture.convert("RGB").getcolors(maxcolors=1 << 24) or ()) > 1000
    assert main(["package", "verify", f"{study_in(out)}-package"]) == 0


def test_second_run_changes_nothing(generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def state() -> dict[str, str]:
        # A journal's side files and a new record of the same run, or its trail, are no results.
        kept = [
            p
            for p in sorted(generated.rglob("*"))
            if p.is_file()
            and not {"provenance", "audit_trail"} & {*p.relative_to(generated).parts[:2]}
            and not p.name.startswith("journal.sqlite")
        ]
        return {
            str(p.relative_to(generated)): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept
        }

    before = state()
    assert main(["demo", "--out", str(generated)]) == 0
    assert state() == before
    assert "Where to look" in capsys.readouterr().out


@pytest.mark.parametrize("which", ["generated", "real"])
def test_nothing_in_the_study_names_the_slide_or_the_patient(
    which: str, request: pytest.FixtureRequest, real_data: Path
) -> None:
    out: Path = request.getfixturevalue(which)
    names = (
        b"generated-slide",
        b"cmu-1-small-region",
        b"demo-patient",
        bytes(out),
        bytes(real_data),
    )
    for folder in (study_in(out), Path(f"{study_in(out)}-package")):
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not [n for n in names if n in content], path.relative_to(out)


def test_prediction_outside_tissue_is_not_assessed(generated: Path) -> None:
    store = only_store(Study(generated / "study-generated"))
    label = store.label(f"prediction/{MODEL}")
    corner = label.read(0, 0, Size(32, 32))
    tissue = store.tissue.on_grid(store.grid(), slice(0, 32), slice(0, 32))
    assert tissue.any() or set(np.unique(corner)) <= {BACKGROUND_INDEX, NOT_ASSESSED}
