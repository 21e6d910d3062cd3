"""Numbers of the rules on slides whose areas and counts are known."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.inference.summary.cell_counts import cell_px
from pathoai.inference.summary.summarise import PredictedSlide, summarise
from pathoai.metrics.wilson_interval import wilson_interval
from pathoai.ontology import load_ontology
from pathoai.store.slide_store import SlideStore
from tests.pathoai.inference.summary.known_slide import (
    PIXEL_MM2,
    TISSUE_FACTOR,
    empty_map,
    predicted,
    write_tissue,
)

TUMOUR, STROMA, LYMPHOCYTE, MITOSIS = 1, 6, 23, 25
KEYS = ("invasive_nst", "stroma", "nucleus_lymphocyte", "mitosis")
NONE = np.empty((0, 2)), np.empty(0, np.uint8)


@pytest.fixture
def store(four_shard_store: Path, tmp_path: Path) -> SlideStore:
    """Tissue over all but the last rows."""
    store = SlideStore(Path(shutil.copytree(four_shard_store, tmp_path / four_shard_store.name)))
    mask = empty_map(store, TISSUE_FACTOR).astype(bool)
    mask[:128] = True
    write_tissue(store, mask)
    return store


def said(slide: PredictedSlide) -> dict[str, dict[str, Any]]:
    return {one["key"]: one for one in summarise(slide).said["findings"]}


def nests(store: SlideStore) -> NDArray[np.uint8]:
    """Two nests with stroma between, over four shards; more stroma far away.

    512 pixels are between them: 256 µm, which a closing by 250 µm bridges.
    """
    class_map = empty_map(store)
    class_map[1024:2048, 1024:1536] = TUMOUR
    class_map[1024:2048, 1536:2048] = STROMA
    class_map[1024:2048, 2048:2240] = TUMOUR
    class_map[0:64, 0:64] = STROMA
    return class_map


def test_til_and_stroma_are_of_the_tumour_region(store: SlideStore, tmp_path: Path) -> None:
    class_map = nests(store)
    inside, outside = (1700.0, 1100.0), (20.0, 20.0)
    in_nest = (1200.0, 1500.0)
    for x, y in (inside, outside, in_nest):
        class_map[int(y) : int(y) + 8, int(x) : int(x) + 8] = LYMPHOCYTE
    class_map[1100:1110, 1100:1110] = MITOSIS
    centres = np.array([inside, outside, in_nest, (1105, 1105)]) + 4
    values = np.array([LYMPHOCYTE, LYMPHOCYTE, LYMPHOCYTE, MITOSIS], np.uint8)
    found = said(predicted(store, tmp_path, class_map, centres, values, KEYS))
    tumour = 1024 * (512 + 192) * PIXEL_MM2
    stroma = 1024 * 512 * PIXEL_MM2
    tissue = 2048 * class_map.shape[1] * PIXEL_MM2
    expected = {
        "tumour_area": tumour,
        "tumour_share": 100 * tumour / tissue,
        "tumour_stroma_ratio": tumour / stroma,
        "stroma_share": 100 * stroma / (tumour + stroma),
        "til_density": 1 / stroma,
        "til_stromal_share": 100 * 64 * PIXEL_MM2 / stroma,
        "mitoses_per_mm2": 1 / tissue,
        "mitoses_per_2mm2": 2 / tissue,
        "mitoses_per_mm2_of_tumour": 1 / tumour,
    }
    assert {key: one["value"] for key, one in found.items()} == {
        key: pytest.approx(value, abs=1e-6) for key, value in expected.items()
    }
    til = found["til_density"]
    assert til["numerator"] == {
        "what": "number of lymphocytes in stroma within the tumour region",
        "value": 1,
    }
    assert til["denominator"]["value"] == round(stroma, 6)
    assert all(one["source"] and one["unit"] for one in found.values())


def test_nuclei_count_with_what_they_lie_in(store: SlideStore, tmp_path: Path) -> None:
    """A fifth of tumour and in situ is hidden by one kind of nuclei, of stroma by another."""
    keys = ("invasive_nst", "dcis", "stroma", "nucleus_neoplastic", "nucleus_stromal")
    class_map = empty_map(store)
    class_map[0:1024, 0:512] = TUMOUR
    class_map[0:1024, 512:1024] = 3
    class_map[0:1024, 1024:1536] = STROMA
    class_map[:1024:5, :1024] = 21
    class_map[:1024:5, 1024:1536] = 24
    class_map[1500:1564, 1500:1564] = 21  # in nothing that holds it
    found = said(predicted(store, tmp_path, class_map, *NONE, keys))
    for key in ("tumour_area", "in_situ_area"):
        assert found[key]["value"] == pytest.approx(1024 * 512 * PIXEL_MM2, abs=1e-6)

    # Tumour and stroma do not touch: of the stroma nothing is in the region.
    region = found["stroma_share"]["denominator"]["value"]
    assert region == pytest.approx(1024 * 512 * PIXEL_MM2, abs=1e-6)


def test_a_gap_too_wide_is_outside(store: SlideStore, tmp_path: Path) -> None:
    """1100 pixels are 550 µm: the stroma between the nests is not within the tumour's borders."""
    class_map = empty_map(store)
    class_map[512:1536, 0:512] = TUMOUR
    class_map[512:1536, 512:1612] = STROMA
    class_map[512:1536, 1612:2240] = TUMOUR
    found = said(predicted(store, tmp_path, class_map, *NONE, KEYS))
    # Of its edges, what lies in cells that are a quarter tumour.
    assert found["stroma_share"]["denominator"]["value"] > 0
    edge = found["stroma_share"]["numerator"]["value"]
    assert edge <= 2 * 1024 * cell_px(0.5) * PIXEL_MM2


def test_nothing_to_divide_by_is_told_and_not_zero(store: SlideStore, tmp_path: Path) -> None:
    class_map = empty_map(store)
    class_map[0:64, 0:64] = STROMA
    centres, values = np.array([[20.0, 20.0]]), np.array([LYMPHOCYTE], np.uint8)
    found = said(predicted(store, tmp_path, class_map, centres, values, KEYS))
    assert found["tumour_area"]["value"] == 0
    assert found["mitoses_per_mm2"]["value"] == 0
    for key in ("tumour_stroma_ratio", "til_density", "til_stromal_share"):
        assert found[key]["value"] is None
        assert found[key]["reason"] == (
            "nothing to divide by: area of stroma within the tumour region, mm² is 0"
        )


def test_rules_need_the_classes_of_the_model(store: SlideStore, tmp_path: Path) -> None:
    slide = predicted(store, tmp_path, empty_map(store), *NONE, ("nucleus_lymphocyte", "mitosis"))
    summary = summarise(slide).said
    assert [one["key"] for one in summary["findings"]] == ["mitoses_per_mm2", "mitoses_per_2mm2"]
    assert summary["left_out"]["til_density"] == (
        "the model does not tell stroma (stroma), tumour (invasive)"
    )
    assert summary["rules"] == f"breast {load_ontology('breast').version}"
    assert "grades" not in summary


def test_a_table_without_a_map_has_no_areas_of_classes(store: SlideStore, tmp_path: Path) -> None:
    centres, values = np.array([[20.0, 20.0]]), np.array([MITOSIS], np.uint8)
    summary = summarise(predicted(store, tmp_path, None, centres, values, KEYS)).said
    assert {one["key"]: one["numerator"]["value"] for one in summary["findings"]} == {
        "mitoses_per_mm2": 1,
        "mitoses_per_2mm2": 1,
    }
    assert "no class map" in summary["left_out"]["tumour_area"]


@pytest.mark.parametrize("stain", ["Ki-67", "KI67", "mib 1"])
def test_ki67_is_the_share_of_positive_tumour_nuclei(
    store: SlideStore, tmp_path: Path, stain: str
) -> None:
    values = np.repeat(np.array([26, 27, 23], np.uint8), [37, 163, 50])
    centres = np.random.default_rng(0).uniform(0, 2000, (250, 2))
    keys = ("nucleus_neoplastic_positive", "nucleus_neoplastic_negative", "nucleus_lymphocyte")
    slide = predicted(store, tmp_path, None, centres, values, keys, stain=stain)
    index = said(slide)["ki67_index"]
    assert index["value"] == 18.5
    assert (index["numerator"]["value"], index["denominator"]["value"]) == (37, 200)
    # Newcombe's calculator gives 13.7 to 24.5 for 37 of 200.
    assert index["interval_95"] == pytest.approx([13.7, 24.5], abs=0.1)
    none = replace(slide, stain="HE")
    assert summarise(none).said["left_out"]["ki67_index"] == (
        "for slides stained with Ki-67 or MIB-1 or MKI67; this one is HE"
    )
    unknown = summarise(replace(slide, stain=None)).said["left_out"]["ki67_index"]
    assert unknown.endswith("nobody said how this is")


def test_no_tumour_nucleus_gives_no_index(store: SlideStore, tmp_path: Path) -> None:
    keys = ("nucleus_neoplastic_positive", "nucleus_neoplastic_negative")
    index = said(predicted(store, tmp_path, None, *NONE, keys, stain="Ki-67"))["ki67_index"]
    assert index["value"] is None
    assert "interval_95" not in index


def test_the_worst_grade_covers_more_than_a_speck(store: SlideStore, tmp_path: Path) -> None:
    """Kinds of a grade count together; 0.0064 mm² of invasive carcinoma are told, not called."""
    cervix = load_ontology("cervix")
    keys = ("benign", "lsil", "cin2", "cin3", "invasive_scc", "stroma")
    values = {key: cervix[key].index for key in keys}
    class_map = empty_map(store)
    class_map[0:400, 0:400] = values["benign"]
    class_map[400:800, 0:300] = values["cin2"]
    class_map[800:1000, 0:300] = values["cin3"]
    class_map[1000:1160, 0:160] = values["invasive_scc"]
    class_map[0:1000, 1000:2000] = values["stroma"]
    slide = predicted(store, tmp_path, class_map, *NONE, keys, cervix)
    summary = summarise(slide).said
    tissue = 2048 * class_map.shape[1] * PIXEL_MM2
    expected = {0: 400 * 400, 1: 0, 2: 600 * 300, 3: 160 * 160}
    grades = summary["grades"]
    assert [(one["grade"], one["mm2"], one["share"]) for one in grades["areas"]] == [
        (grade, round(px * PIXEL_MM2, 6), round(px * PIXEL_MM2 / tissue, 6))
        for grade, px in expected.items()
    ]
    assert grades["worst"]["classes"] == ["cin2", "cin3"]
    assert grades["worst"]["mm2"] == round(600 * 300 * PIXEL_MM2, 6)
    share = next(o for o in summary["findings"] if o["key"] == "high_grade_share")
    assert share["numerator"]["value"] == round((600 * 300 + 160 * 160) * PIXEL_MM2, 6)
    blank = predicted(store, tmp_path / "blank", empty_map(store), *NONE, keys, cervix)
    assert summarise(blank).said["grades"]["worst"] is None
    assert "0.01 mm²" in summarise(blank).said["grades"]["reason"]


@pytest.mark.parametrize(("count", "total"), [(0, 5), (5, 5), (1, 3), (37, 200), (499, 1000)])
def test_wilson_limits_solve_their_equation(count: int, total: int) -> None:
    """Each limit p has |share - p| = z √(p (1 - p) / n)."""
    low, high = wilson_interval(count, total)
    share = count / total
    assert low <= share <= high
    for limit in {low, high} - {0.0, 1.0}:
        error = 1.959964 * (limit * (1 - limit) / total) ** 0.5
        assert abs(share - limit) == pytest.approx(error, rel=1e-5)
