"""Every trained model that saw a person is told, whatever it learnt from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.erasure.reach import reach_of
from tests.registered_pair import HE_ID, IHC_ID, make_pair

_OTHER = "AAAAAAAAAAAAAAAA"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A pair whose patients are not known, so that each slide stands for a person of its own."""
    made = make_pair(tmp_path_factory.mktemp("reached") / "study")
    label = made.store_path(HE_ID) / "labels" / "ihc.AE1AE3"
    label.mkdir(parents=True)
    store = SlideStore(made.store_path(IHC_ID)).identity
    about = {"attributes": {"pathoai": {"moving_store_sha256": store}}}
    (label / "zarr.json").write_text(json.dumps(about), "utf8")
    return made


def _slides(*codes: str, **more: object) -> list[dict[str, Any]]:
    return [{"slide_id": code, "store": "0" * 64, **more} for code in codes]


@pytest.mark.parametrize(
    ("training", "opposed", "is_told"),
    [
        # tiles with a label of their own
        ({"label": "annotation/R1", "slides": _slides(HE_ID, label_sha256="1")}, HE_ID, True),
        # bags of features
        ({"label": "grade", "slides": _slides(_OTHER, HE_ID, features_sha256="1")}, HE_ID, True),
        # regions of annotations
        ({"label": "annotations", "slides": _slides(HE_ID, regions=3)}, HE_ID, True),
        # a label that was carried over from the restained slide: only the H&E slide is named
        ({"label": "ihc/AE1AE3", "slides": _slides(HE_ID)}, IHC_ID, True),
        # the same slide, learnt with another label
        ({"label": "annotation/R1", "slides": _slides(HE_ID)}, IHC_ID, False),
        ({"label": "ihc/AE1AE3", "slides": _slides(_OTHER)}, IHC_ID, False),
        # a code in what the split left out
        ({"label": "grade", "split": {"unused": [HE_ID]}}, HE_ID, True),
        ({}, HE_ID, False),
    ],
)
def test_a_model_is_told_by_what_it_learnt_from(
    study: Study, training: dict[str, Any], opposed: str, is_told: bool
) -> None:
    bundle = study.model_path("m") / "bundle.json"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text(json.dumps({"name": "m", "training": training}), "utf8")
    assert reach_of(study, opposed).models == (("m",) if is_told else ())


def test_a_label_that_names_the_store_alone_gives_its_model_away(study: Study) -> None:
    store = SlideStore(study.store_path(IHC_ID)).identity
    slides = _slides(HE_ID, label_about={"moving_store_sha256": store})
    bundle = study.model_path("m") / "bundle.json"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text(json.dumps({"training": {"slides": slides}}), "utf8")
    assert reach_of(study, IHC_ID).models == ("m",)


def test_a_run_on_his_store_gives_its_model_away_where_the_bundle_is_silent(
    study: Study, tmp_path: Path
) -> None:
    from pathoai.provenance import ProvenanceRecord

    bundle = study.model_path("silent") / "bundle.json"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text(json.dumps({"name": "silent"}), "utf8")
    began = "2026-01-01T00:00:00"
    record = ProvenanceRecord(
        "train",
        {"recipe": "r"},
        {f"store/{HE_ID}": "0" * 64},
        {"model/silent": "1" * 64},
        began,
        began,
    )
    record.write(study.provenance_path)
    assert "silent" in reach_of(study, HE_ID).models
