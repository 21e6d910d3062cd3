"""Models that proposed what a package holds: a card for each, and a run in the crate."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import shapely
import torch

from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle, save_bundle
from pathoai.models.card_notes import NOTES
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.models import PackagedModel
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.tier import Tier
from pathoai_annotations.package.verify import verify_package
from tests.annotations.package.mutations import reseal

_CARDS = "data/provenance/model-cards"
_BUNDLE = ModelBundle(
    "nuclei",
    "unet",
    {"width": 4, "depth": 1},
    "breast",
    "0.1",
    ("background", "invasive_nst"),
    TileSpec(64, 0.5),
    training={
        "slides": [{"slide_id": f"S{i}"} for i in range(30)],
        "cohort": {
            "train": {"slides": 20, "patients": 20, "centres": 1, "scanners": 2},
            "validation": {"slides": 4, "patients": 3},
        },
    },
    licence="Apache-2.0",
)


@pytest.fixture
def bundle(study: Study) -> ModelBundle:
    """A model of the study, of which one proposal is of record."""
    torch.manual_seed(0)
    network = build_network("unet", classes=2, arguments=_BUNDLE.arguments)
    saved = save_bundle(study.model_path("nuclei"), _BUNDLE, network)
    slide_id = next(iter(study.cohort)).slide_id
    source = f"model:nuclei@{saved.identity}"
    shape = shapely.box(700, 700, 760, 750)
    proposal = Annotation(
        deterministic_id(slide_id, source),
        slide_id,
        "invasive_nst",
        shape,
        Origin.MODEL,
        "nuclei",
        confidence=0.5,
        derived_from=source,
    )
    with Journal.open(study) as journal:
        journal.propose([proposal])
        journal.validate([proposal.id], author="R1")
        journal.sign_off(slide_id, author="R1")
    return saved


def _card(package: Path, model: PackagedModel) -> str:
    return (package / "data" / model.card).read_text("utf8")


def test_the_card_of_a_model_is_its_bundles_with_what_a_person_wrote(
    study: Study, bundle: ModelBundle, approval: Approval, tmp_path: Path
) -> None:
    (study.model_path("nuclei") / NOTES).write_text("## Responsible\n\nThe data office.\n", "utf8")
    package = build_package(study, tmp_path / "package", approval=approval).path
    card = _card(package, PackagedModel("nuclei", bundle.identity))
    assert f"SHA-256 `{bundle.identity}`" in card
    assert "The data office." in card
    assert "| train | 20 | 20 | 1 | 2 |" in card
    assert "| validation | 4 | 3 |" in card
    assert verify_package(package).ok


def test_small_counts_stay_off_the_card_of_a_published_package(
    study: Study, bundle: ModelBundle, tmp_path: Path
) -> None:
    release = Release(Tier.OPEN, "DM1", date(2026, 1, 31), with_images=False)
    package = build_package(study, tmp_path / "package", approval=release).path
    card = _card(package, PackagedModel("nuclei", bundle.identity))
    assert "| train | not shown | not shown | 1 | 2 |" in card
    assert "| validation | <11 | <11 |" in card
    assert "Labelled slides: not shown; in no subset: not shown" in card


def test_a_model_that_is_gone_or_another_has_a_card_that_says_so(
    study: Study, bundle: ModelBundle, approval: Approval, tmp_path: Path
) -> None:
    network = build_network("unet", classes=2, arguments=_BUNDLE.arguments)
    later = save_bundle(study.model_path("nuclei"), replace(_BUNDLE, licence="MIT"), network)
    package = build_package(study, tmp_path / "package", approval=approval).path
    other = _card(package, PackagedModel("nuclei", bundle.identity))
    assert bundle.identity in other
    assert f"another model of this name now, with SHA-256 `{later.identity}`" in other
    gone = _card(package, PackagedModel("unet", "0123abcd"))
    assert "0123abcd" in gone
    assert "no longer has its bundle" in gone
    (study.model_path("nuclei") / "bundle.json").write_text("{", "utf8")
    damaged = build_package(study, tmp_path / "again", approval=approval).path
    assert "cannot be read" in _card(damaged, PackagedModel("nuclei", bundle.identity))


def test_the_crate_names_each_model_as_the_instrument_of_a_run(package: Path) -> None:
    graph = json.loads((package / "data/ro-crate-metadata.json").read_text("utf8"))["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    run = entities["#proposals-unet-0123abcd"]
    assert run["@type"] == "CreateAction"
    program = entities[run["instrument"]["@id"]]
    assert (program["@type"], program["name"]) == ("SoftwareApplication", "unet")
    assert program["subjectOf"]["@id"] in entities
    assert {entities[one["@id"]]["name"].split()[0] for one in run["object"]} == {"Slide"}
    assert all(one["@id"].endswith(".geojson") for one in run["result"])
    assert {"@id": "#proposals-unet-0123abcd"} in entities["./"]["mentions"]


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (lambda card: card.unlink(), "a model proposed annotations and has no card"),
        (lambda card: card.write_text("# unet\n"), "the card is of another model"),
        (lambda card: card.write_bytes(b"\xff\xfe"), "the card is of another model"),
        (
            lambda card: card.with_name("other-00000000.md").write_text("# other\n"),
            "a card of a model that proposed nothing",
        ),
    ],
)
def test_a_card_that_is_missing_or_wrong_is_found(
    package: Path, damage: Callable[[Path], object], finding: str
) -> None:
    damage(package / _CARDS / "unet-0123abcd.md")
    reseal(package)
    found = verify_package(package).findings
    assert any(finding in one.what for one in found)


def test_a_path_in_a_persons_notes_keeps_the_package_back(
    study: Study, bundle: ModelBundle, approval: Approval, tmp_path: Path
) -> None:
    from pathoai.errors import PackageError

    address = "someone" + "@" + "hospital.example"
    (study.model_path("nuclei") / NOTES).write_text(f"## Responsible\n\n{address}\n", "utf8")
    with pytest.raises(PackageError, match="e-mail") as error:
        build_package(study, tmp_path / "package", approval=approval)
    assert "provenance/model-cards/nuclei" in str(error.value)


def test_a_bundle_is_described_without_torch() -> None:
    program = (
        "import sys; import pathoai_annotations.package.build, pathoai_annotations.package.verify; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("model:unet@" + "ab" * 32, "unet-abababab"),
        ("model:a b/c@00ff", "a-b-c-00ff"),
        ("model:unet", "unet-unsigned"),
        ("method:tissue", None),
        (None, None),
    ],
)
def test_a_source_names_a_model_or_none(source: str | None, code: str | None) -> None:
    found = PackagedModel.of(source)
    assert (None if found is None else found.code) == code
