"""How a packaged slide lies on its restained twin."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import shapely

from pathoai.errors import StoreError
from pathoai.registration.saved_registration import Registration
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.registrations import check_registrations
from pathoai_annotations.package.verify import verify_package
from tests.annotations.package.mutations import edit_json, reseal
from tests.annotations.package.wrong_types import tampered
from tests.registered_pair import HE_ID, IHC_ID, make_pair

_RECORD = f"data/provenance/registration/{HE_ID}--{IHC_ID}.json"


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a registered pair, of whose H&E slide one outline is of record; its package."""
    folder = tmp_path_factory.mktemp("paired")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATHOAI_VAULT", str(folder / "vault"))
        study = make_pair(folder / "study")
        outline = Annotation(
            deterministic_id(HE_ID, "one"),
            HE_ID,
            "dcis",
            shapely.box(10, 10, 90, 90),
            Origin.PATHOLOGIST,
            "R1",
        )
        with Journal.open(study) as journal:
            journal.propose([outline])
            journal.validate([outline.id], author="R1")
            journal.sign_off(HE_ID, author="R1")
        approval = Approval("DPO1", "data protection officer", date(2026, 1, 31))
        build_package(study, folder / "package", approval=approval)
        yield folder


@pytest.fixture
def pair(paired: Path, tmp_path: Path) -> Study:
    return Study(shutil.copytree(paired / "study", tmp_path / "paired"))


@pytest.fixture
def package(paired: Path, tmp_path: Path) -> Path:
    return shutil.copytree(paired / "package", tmp_path / "built")


def test_the_record_states_the_map_and_how_well_it_holds(pair: Study, package: Path) -> None:
    record = json.loads((package / _RECORD).read_text("utf8"))
    saved = Registration.load(pair.registration_path(HE_ID, IHC_ID))
    assert record["transform"]["affine"] == saved.transform.affine.tolist()
    assert record["transform"]["kind"] == "smooth displacement, then affine"
    assert record["transform"]["displacement"]["where"] == "in the study, not in this package"
    assert record["quality"]["believed_share"] == saved.quality.believable_share < 1
    assert record["quality"]["residual_median_um"] == pytest.approx(0.8)
    assert record["registration_sha256"] == saved.sha256
    assert (record["moving"]["slide_id"], record["moving"]["marker"]) == (IHC_ID, "AE1AE3")
    assert verify_package(package).ok


def test_a_pair_that_is_not_registered_has_no_record_and_a_damaged_one_is_told(
    pair: Study, approval: Approval, tmp_path: Path
) -> None:
    path = pair.registration_path(HE_ID, IHC_ID)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StoreError, match="damaged"):
        build_package(pair, tmp_path / "package", approval=approval)
    path.unlink()
    package = build_package(pair, tmp_path / "package", approval=approval).path
    assert not (package / _RECORD).parent.exists()
    assert verify_package(package).ok


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (lambda r: r["moving"].update(slide_id="Jane"), "something that is no code"),
        (lambda r: r.update(pair="x"), "another pair than it is of"),
        (lambda r: r["transform"].update(affine=[[1, 0]]), "no affine map"),
        (lambda r: r["quality"].update(believed_share=1.5), "share that is believed"),
        (lambda r: r.pop("fixed"), "cannot be read"),
    ],
)
def test_a_record_that_is_wrong_is_found(
    package: Path, damage: Callable[[dict[str, Any]], object], finding: str
) -> None:
    edit_json(package / _RECORD, damage)
    reseal(package)
    assert [one for one in verify_package(package).findings if finding in one.what]


def test_a_record_of_other_types_is_found(package: Path) -> None:
    for place, wrong in tampered(package / _RECORD):
        found = list(check_registrations(package))
        if place in ((), ("fixed",), ("transform",), ("transform", "affine"), ("quality",)):
            assert found, (place, wrong)
