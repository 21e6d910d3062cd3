"""From the tiles of an audit to what a pathologist's verdicts say of the labels."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import numpy as np
import pytest
import shapely

from pathoai.cli.main import main
from pathoai.ihc.audit_sample import AuditSample
from pathoai.ihc.audit_stratum import AuditStratum
from pathoai.ihc.saved_audit import load_audit
from pathoai.metrics.exact_interval import Share
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.audit.audit_queue import audit_table, tiles_path
from pathoai_annotations.audit.judged_tiles import judged_precision
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import RegionKind
from pathoai_annotations.review.improve import read_regions
from pathoai_annotations.review.reading_plan import ReadingPlan
from pathoai_annotations.review.region_review import RegionReview
from tests.annotations.restained_discs import HE, IHC

Capture = pytest.CaptureFixture[str]
MARKER = "AE1AE3"
_COUNTS = f"ihc.{MARKER}.counts.json"


def _label(study: Study, *words: str) -> int:
    return main(["label", str(study.path), "--marker", MARKER, *words, "--device", "cpu"])


def _error(capsys: Capture) -> str:
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("pathoai: error: ")]
    assert "bug" not in line
    return line


def _audit(study: Study, tiles: int = 10) -> AuditSample:
    assert _label(study, "--audit", str(tiles), "--tile", "32", "--seed", "1") == 0
    return load_audit(tiles_path(study, MARKER))


def _review(study: Study, journal: Journal, reader: str = "R1") -> RegionReview:
    plan = ReadingPlan(file=audit_table(study, MARKER))
    queue = plan.queue(study, SlideStore(study.store_path(HE)), reader)
    return RegionReview(journal, queue, reader)


def test_a_sheet_a_queue_and_a_sample_are_written(study: Study, capsys: Capture) -> None:
    sample = _audit(study)
    told = capsys.readouterr().out
    assert "10 tiles of 1 slides: 6 of " in told
    assert "pathoai review" in told
    sheet = (study.audit_path(MARKER) / "sheet.html").read_text("utf8")
    assert sheet.count("data:image/jpeg;base64,") == 4 * len(sample.tiles)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', sheet), "the page needs nothing else"
    for word in ("Accept it if", "Acceptez-la", "Not registered", "Non recalé", HE, "Scale bar"):
        assert word in sheet
    assert str(study.path.parent) not in sheet
    table = audit_table(study, MARKER).read_text("utf8")
    assert table.count(HE) == 10
    assert any(
        json.loads(p.read_text("utf8"))["command"] == "audit"
        for p in study.provenance_path.glob("*.json")
    )


def test_verdicts_by_key_become_the_precision(study: Study, capsys: Capture) -> None:
    sample = _audit(study)
    by_region = {tile.region: tile.stratum for tile in sample.tiles}
    with Journal.open(study) as journal:
        review = _review(study, journal)
        assert set(review.queue.kinds) == {RegionKind.AUDIT}
        expected = {s: [0, 0, 0] for s in AuditStratum}
        for number in range(len(review.queue)):
            here = review.jump(number)
            review.enter()
            which = 1 if number == 3 else 2 if number == 5 else 0
            (review.accept, review.reject, review.unsure)[which]()
            expected[by_region[here.region]][which] += 1
        found = judged_precision(journal, sample)
    for stratum, counts in expected.items():
        verdicts = found.strata[stratum]
        assert [verdicts.accepted, verdicts.rejected, verdicts.unsure] == counts
    assert _label(study, "--precision") == 0
    told = capsys.readouterr().out
    assert "10 of 10 tiles read by R1" in told
    raw = json.loads((study.audit_path(MARKER) / "precision.json").read_text("utf8"))
    right, wrong, _ = expected[AuditStratum.POSITIVE]
    share = Share(right, right + wrong)
    assert raw["precision"] == {
        "estimate": round(share.value, 6),
        "low": round(share.low, 6),
        "high": round(share.high, 6),
    }
    assert f"precision {share.value:.3f} (95 % {share.low:.3f}" in told


def test_nobody_has_read_it_yet_and_no_journal_is_made(study: Study, capsys: Capture) -> None:
    _audit(study)
    capsys.readouterr()
    assert _label(study, "--precision") == 0
    assert "0 of 10 tiles read by nobody" in capsys.readouterr().out
    assert not study.has_journal


def test_an_audit_judges_the_label_and_no_proposal_and_teaches_nothing(study: Study) -> None:
    sample = _audit(study)
    place = shapely.box(0, 0, 4, 4)
    region = sample.tiles[0].region
    outline = shapely.transform(place, lambda xy: xy + np.array([region.x + 10, region.y + 10]))
    with Journal.open(study) as journal:
        journal.propose(
            [Annotation(uuid.uuid4(), HE, "nucleus", outline, Origin.IMPORT, "hematoxylin")]
        )
        review = _review(study, journal)
        for number in range(len(review.queue)):
            review.jump(number)
            review.enter()
            assert review.reject().judged == 0
        (kept,) = journal.annotations(HE)
        assert kept.status is Status.PROPOSED
        review.jump(0)
        review.accept()
        assert read_regions(journal) == {}


def test_of_several_readers_a_rejection_counts(study: Study) -> None:
    sample = _audit(study)
    with Journal.open(study) as journal:
        first, second = _review(study, journal, "R1"), _review(study, journal, "R2")
        for number in range(3):
            first.jump(number)
            first.accept()
            second.jump(number)
            (second.accept, second.reject, second.unsure)[number]()
        found = judged_precision(journal, sample)
    total = [found.strata[s] for s in AuditStratum]
    assert sum(one.accepted for one in total) == 2
    assert sum(one.rejected for one in total) == 1
    assert found.readers == ("R1", "R2")


def test_a_label_made_anew_needs_an_audit_of_its_own(study: Study, capsys: Capture) -> None:
    sample = _audit(study)
    with Journal.open(study) as journal:
        _review(study, journal).accept()
    other = tiles_path(study, MARKER)
    identity = sample.labels[HE]
    other.write_text(other.read_text("utf8").replace(identity, "0" * 64), "utf8")
    capsys.readouterr()
    assert _label(study, "--precision") == 1
    assert "made anew since its audit" in _error(capsys)
    with Journal.open(study) as journal:
        assert judged_precision(journal, load_audit(other)).read == 0
        with pytest.raises(Exception, match="made anew since its audit"):
            _review(study, journal)


def test_erasure_reaches_the_audit_and_its_queue(study: Study) -> None:
    _audit(study)
    copies = study.derived_copies(HE)
    assert study.audit_path(MARKER) in copies
    assert audit_table(study, MARKER) in copies


def test_what_cannot_be_audited_says_why(study: Study, capsys: Capture) -> None:
    assert _label(study, "--precision") == 1
    assert "were not audited" in _error(capsys)
    assert main(["label", str(study.path), "--method", "annotations", "--audit", "3"]) == 1
    assert "labels of a marker" in _error(capsys)
    assert main(["label", str(study.path), "--marker", "HER2", "--audit", "3"]) == 1
    assert "no label of this marker" in _error(capsys)
    assert _label(study, "--audit", "0") == 1
    assert "tiles of an audit" in _error(capsys)


_NUCLEAR = """
key: AE1AE3
title: AE1/AE3, counted as if it were in nuclei
targets:
  - {class: epithelial_cell, chromogen: dab, compartment: nucleus, lowest_od: 0.3, highest_od: 0.9}
"""


def test_nuclei_are_graded_by_the_bins_that_were_asked_for(
    study: Study, tmp_path: Path, capsys: Capture
) -> None:
    recipe = tmp_path / "nuclear.yaml"
    recipe.write_text(_NUCLEAR, "utf8")
    asked = ("--counts", "--bins", "0.25", "0.5", "0.75")
    assert _label(study, *asked, "--recipe", str(recipe)) == 0
    raw = json.loads((study.objects_path(HE, f"ihc/{MARKER}").parent / _COUNTS).read_text("utf8"))
    assert '"bins_od": {"weak": 0.25, "moderate": 0.5, "strong": 0.75}' in json.dumps(raw)
    capsys.readouterr()
    assert _label(study, *asked) == 1
    assert "only nuclei" in _error(capsys)
    assert _label(study, *asked[1:]) == 1
    assert "add --counts" in _error(capsys)
    wrong = ("--counts", "--bins", "0.5", "0.25", "0.75", "--recipe", str(recipe))
    assert _label(study, *wrong) == 1
    assert "weak < moderate < strong" in _error(capsys)


def test_counts_are_written_beside_the_objects(study: Study, capsys: Capture) -> None:
    assert _label(study, "--counts") == 0
    told = capsys.readouterr().out
    assert "no diagnosis" in told
    folder = study.objects_path(HE, f"ihc/{MARKER}").parent
    raw = json.loads((folder / _COUNTS).read_text("utf8"))
    assert raw["restained_slide"] == IHC
    assert "no diagnosis" in raw["warning"]
    assert raw["regions"][0]["positive_mm2"] > 0
    text = (folder / f"ihc.{MARKER}.counts.csv").read_text("utf8")
    assert "no diagnosis" in text
    assert str(Path(study.path).parent) not in text
