"""Memory depends on the figure's pixels, not on the slide's."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np

from pathoai.geometry import Region
from pathoai.heatmap.heatmap import Heatmap, page_content
from pathoai.heatmap.map_choice import MapChoice
from pathoai.ontology import LabelClass
from pathoai.preprocess.tile_slide import TISSUE_CLASS
from pathoai.store.header import CopiedLevel, StoreHeader
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from tests.pathoai.heatmap.mapped_study import (
    about,
)
from tests.pathoai.store.made_stores import SLIDE_ID, jpeg, make_store, tissue_pixels


def test_a_hundred_thousand_pixels_wide_needs_no_more_memory(tmp_path: Path) -> None:
    """24 GB of pixels and 2 GB of classes; of them three chunks and one rectangle exist."""
    study, store = _large(tmp_path)
    choice = MapChoice("prediction/a")
    for region in (None, Region(40_960, 30_720, 2_048, 1_024)):
        heatmap = Heatmap(choice, region)
        tracemalloc.start()
        try:
            content = page_content(study, store, heatmap)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 200e6
        (entry,) = content.layer.legend
        assert entry.number == "0.131 mm² (100.0 % of tissue)"
    at = content.picture.shape[0] // 2, content.picture.shape[1] // 2
    assert content.picture[at][0] > 100


def _large(folder: Path) -> tuple[Study, SlideStore]:
    side = 1024
    level = CopiedLevel(1, 100_000, 80_000, side, "jpeg")
    header = StoreHeader(
        *(SLIDE_ID, 100_000, 80_000, 0.25, 0.25, 0.25),
        encoding="source",
        compression="jpeg",
        copied=(level,),
    )
    study = Study.create(folder / "study", ontology="breast")
    chunk = jpeg(tissue_pixels(side, side))
    places = {(30, 40): chunk, (30, 41): chunk, (70, 90): chunk}
    store = make_store(study.store_path("x").parent, header, places)
    tumour = LabelClass(1, "invasive_nst", "Tumour", "Tumeur", "#d55e00")
    source = about(store, "a")
    for recipe in (
        LabelRecipe("tissue", (TISSUE_CLASS,), {"origin": "method", "method": "otsu"}, factor=32),
        LabelRecipe("prediction/a", (tumour,), source, factor=2),
    ):
        _write_rectangle(store, recipe, (30_720, 31_744, 40_960, 43_008))
    return study, store


def _write_rectangle(
    store: SlideStore, recipe: LabelRecipe, edges: tuple[int, int, int, int]
) -> None:
    """Class 1 in a rectangle, in the shards that it meets and in no others."""
    writer = LabelWriter(store.path, store.header, recipe)
    top, bottom, left, right = (edge // recipe.factor for edge in edges)
    for shard in writer.class_map.shards:
        rows, columns = writer.class_map.slices(shard)
        y, x = np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop)
        inside = np.outer((y >= top) & (y < bottom), (x >= left) & (x < right))
        if inside.any():
            writer.class_map.write(shard, inside.astype(np.uint8))
    writer.finish()
