"""Splits and agreement of a real study: their rows in a package, as others' validators see them."""

from __future__ import annotations

import csv
import json
import os
from datetime import date
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.study.study import Study
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.tier import Tier
from pathoai_annotations.package.verify import content_findings
from pathoai_annotations.readers.assignment import Role, assign
from tests.annotations.package.validators.test_validators import _LOAD, _output, _program, _python
from tests.annotations.readers.read_study import LESION, made_study, read, slide_ids

pytestmark = pytest.mark.long
_SUBSETS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The payload of a study with a written split and a report on two readers."""
    folder = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATHOAI_VAULT", str(folder / "vault"))
        study = made_study(folder / "study", slides=6)
        ids = slide_ids(study)
        assign(study, ids, {"R1": Role.READER, "R2": Role.READER})
        for at, slide_id in enumerate(ids):
            grades = ("hsil", "hsil" if at % 2 else "lsil")
            for reader, grade in zip(("R1", "R2"), grades, strict=True):
                outlines = [("hsil", LESION)] if at < 4 else []
                read(study, slide_id, reader, grade, outlines=outlines)
        assert main(["agree", str(study.path)]) == 0
        # As `pathoai split` writes it; it would take these slides for one, whose pixels are alike.
        rows = [[slide_id, at // 2, _SUBSETS[at // 2]] for at, slide_id in enumerate(ids)]
        split = {"format": "pathoai split 1", "name": "main", "fold_names": ["1"], "slides": rows}
        study.splits_path.mkdir(exist_ok=True)
        (study.splits_path / "main.json").write_text(json.dumps(split), "utf8")
        release = Release(Tier.INTERNAL, "DM1", date(2026, 1, 31))
        package = build_package(Study(study.path), folder / "package", approval=release).path
    assert content_findings(package)[0] == []
    return package / "data"


def _rows(data: Path, table: str) -> list[dict[str, str]]:
    with (data / "tables" / f"{table}.csv").open(newline="", encoding="utf8") as file:
        return list(csv.DictReader(file))


def test_splits_name_packaged_slides_alone_and_agreement_has_its_measures(data: Path) -> None:
    packaged = {row["slide_id"] for row in _rows(data, "slides")}
    splits = _rows(data, "splits")
    assert {row["slide_id"] for row in splits} == packaged
    assert {row["split"] for row in splits} == {"main"}
    agreement = _rows(data, "agreement")
    assert agreement
    assert all(-1 <= float(row["value"]) <= 1 for row in agreement)
    assert {row["role"] for row in _rows(data, "sign_offs")} == {"reader"}


@pytest.mark.skipif(
    not os.environ.get("CI") and not os.environ.get("PATHOAI_VALIDATORS"),
    reason="validators are not installed (extra fair-check)",
)
def test_others_read_them_with_their_keys(data: Path) -> None:
    _output(_program("frictionless", "validate", data / "datapackage.json"))
    names = ["splits", "agreement", "sign_offs"]
    loaded = _output(_python("-c", _LOAD, data / "croissant.json", *names)).splitlines()[-1]
    assert json.loads(loaded) == {name: len(_rows(data, name)) for name in names}


@pytest.mark.skipif(
    not os.environ.get("CI") and not os.environ.get("PATHOAI_VALIDATORS"),
    reason="validators are not installed (extra fair-check)",
)
def test_a_split_of_a_slide_that_is_not_packaged_breaks_the_datapackage(data: Path) -> None:
    table = data / "tables/splits.csv"
    whole, rows = table.read_text("utf8"), _rows(data, "splits")
    table.write_text(whole.replace(rows[0]["slide_id"], "0" * 16), "utf8")
    done = _program("frictionless", "validate", data / "datapackage.json")
    table.write_text(whole, "utf8")
    assert done.returncode == 1
    assert "foreign-key" in done.stdout
