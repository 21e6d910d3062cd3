"""Which tiles are drawn of labels: uniformly over area, each with what it stands for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, StudyError
from pathoai.ihc.audit_sample import AuditSample, AuditSettings, draw_audit
from pathoai.ihc.audit_stratum import AuditStratum
from pathoai.ihc.saved_audit import load_audit, save_audit
from pathoai.ontology import NOT_ASSESSED, LabelClass
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_image import LabelImage
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore

POSITIVE, NEGATIVE = AuditStratum.POSITIVE, AuditStratum.NEGATIVE
CLASS = LabelClass(7, "positive", "Positive", "Positif", "#d55e00")
Labelled = tuple[SlideStore, LabelImage]


def _slide(folder: Path, letter: str, values: NDArray[np.uint8], mpp: float) -> Labelled:
    """A slide without tissue to see, and a label of given pixels, half as fine as level 0."""
    height, width = values.shape
    slide_id = f"{letter}{0:015d}"
    header = StoreHeader(slide_id, 2 * width, 2 * height, mpp / 2, mpp / 2, mpp)
    path = folder / f"{slide_id}.zarr"
    image = ImageWriter(path, header)
    for shard in image.finest.shards:
        rows, columns = image.finest.slices(shard)
        shape = (3, rows.stop - rows.start, columns.stop - columns.start)
        image.finest.write(shard, np.full(shape, 255, np.uint8))
    writer = LabelWriter(path, header, LabelRecipe("ihc/MKI67", (CLASS,), {"marker": "MKI67"}))
    for shard in writer.class_map.shards:
        writer.class_map.write(shard, values[writer.class_map.slices(shard)])
    writer.finish()
    image.finish()
    store = SlideStore(path)
    return store, store.label("ihc/MKI67")


def _values(height: int, width: int) -> NDArray[np.uint8]:
    """Negative, with two positive bands and a corner that is not trusted."""
    values = np.zeros((height, width), np.uint8)
    values[:, 100:160] = CLASS.index
    values[:, width - 90 : width - 80] = CLASS.index
    values[: height // 2, : width // 4] = NOT_ASSESSED
    return values


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    """Two slides of different scales; the first has two shards."""
    folder = tmp_path_factory.mktemp("labels")
    return [
        _slide(folder, "A", _values(300, 2300), 0.5),
        _slide(folder, "B", _values(400, 400), 0.8),
    ]


def _middle_value(tile: AuditSample, slides: list[Labelled]) -> list[int]:
    labels = {store.slide_id: label for store, label in slides}
    found = []
    for one in tile.tiles:
        label, region = labels[one.slide_id], one.region
        x = (region.x + region.width / 2) / label.grid().downsample_x
        y = (region.y + region.height / 2) / label.grid().downsample_y
        found.append(int(label.read_all()[int(y), int(x)]))
    return found


def test_areas_and_weights_are_those_of_the_pixels(slides: list[Labelled]) -> None:
    sample = draw_audit("MKI67", slides, AuditSettings(30, seed=4, tile_um=16))
    expected = {POSITIVE: 0.0, NEGATIVE: 0.0}
    for _, label in slides:
        values, pixel = label.read_all(), label.mpp**2 / 1e6
        expected[POSITIVE] += np.count_nonzero(values == CLASS.index) * pixel
        expected[NEGATIVE] += np.count_nonzero(values == 0) * pixel
    for stratum, area in expected.items():
        assert sample.areas_mm2[stratum] == pytest.approx(area)
        assert sample.mm2_per_tile(stratum) * sample.drawn(stratum) == pytest.approx(area)
    assert (sample.drawn(POSITIVE), sample.drawn(NEGATIVE)) == (18, 12)
    assert set(sample.labels) == {store.slide_id for store, _ in slides}


def test_a_tile_lies_about_a_pixel_of_its_stratum_within_the_canvas(
    slides: list[Labelled],
) -> None:
    sample = draw_audit("MKI67", slides, AuditSettings(200, seed=1, tile_um=16))
    sizes = {store.slide_id: store.slide.size for store, _ in slides}
    values = _middle_value(sample, slides)
    right = 0
    for tile, value in zip(sample.tiles, values, strict=True):
        region, size = tile.region, sizes[tile.slide_id]
        assert region.x >= 0
        assert region.y >= 0
        assert region.right <= size.width + 1e-6
        assert region.bottom <= size.height + 1e-6
        right += value == (CLASS.index if tile.stratum is POSITIVE else 0)
    # Tiles at the canvas' edge are moved into it, so their middle is another pixel.
    assert right >= 0.93 * len(sample.tiles)


def test_the_same_seed_draws_the_same_tiles_and_another_others(slides: list[Labelled]) -> None:
    one, two, three = (
        draw_audit("MKI67", slides, AuditSettings(20, seed=seed)) for seed in (3, 3, 5)
    )
    assert one == two
    assert one.tiles != three.tiles


def test_draws_are_uniform_over_area_and_their_weights_undo_the_strata(
    slides: list[Labelled],
) -> None:
    """Many small samples: each place is drawn as often as its area says, slide by slide."""
    counts: Counter[tuple[str, AuditStratum]] = Counter()
    in_narrow_band, estimates, drawn = 0, [], 400
    for seed in range(drawn):
        sample = draw_audit("MKI67", slides, AuditSettings(10, seed=seed, tile_um=16))
        counts.update((tile.slide_id, tile.stratum) for tile in sample.tiles)
        first = slides[0][0].slide_id
        narrow = [t for t in sample.tiles if t.stratum is POSITIVE and t.region.x > 2000]
        in_narrow_band += len(narrow)
        # Horvitz-Thompson: the area of slide A from the weights of the tiles that fell on it.
        estimates.append(
            sum(sample.mm2_per_tile(t.stratum) for t in sample.tiles if t.slide_id == first)
        )
    areas = {
        (store.slide_id, stratum): np.count_nonzero(
            label.read_all() == (CLASS.index if stratum is POSITIVE else 0)
        )
        * label.mpp**2
        / 1e6
        for store, label in slides
        for stratum in AuditStratum
    }
    for stratum in AuditStratum:
        total = sum(counts[s.slide_id, stratum] for s, _ in slides)
        for store, _ in slides:
            whole = sum(areas[s.slide_id, stratum] for s, _ in slides)
            share = areas[store.slide_id, stratum] / whole
            spread = 4 * (share * (1 - share) / total) ** 0.5
            assert counts[store.slide_id, stratum] / total == pytest.approx(share, abs=spread)
    narrow_share = 10 * 300 * 0.25 / (1e6 * sum(areas[s.slide_id, POSITIVE] for s, _ in slides))
    total = sum(counts[s.slide_id, POSITIVE] for s, _ in slides)
    spread = 4 * (narrow_share * (1 - narrow_share) / total) ** 0.5
    assert in_narrow_band / total == pytest.approx(narrow_share, abs=spread)
    truth = sum(areas[slides[0][0].slide_id, stratum] for stratum in AuditStratum)
    error = 4 * float(np.std(estimates)) / drawn**0.5
    assert float(np.mean(estimates)) == pytest.approx(truth, abs=error)


def test_what_is_scarce_is_not_drawn_twice_and_the_rest_fills_up(tmp_path: Path) -> None:
    values = np.zeros((300, 300), np.uint8)
    values[5:10, 5:10] = CLASS.index
    sample = draw_audit("MKI67", [_slide(tmp_path, "A", values, 0.5)], AuditSettings(10))
    assert (sample.drawn(POSITIVE), sample.drawn(NEGATIVE)) == (1, 9)
    values[:] = NOT_ASSESSED
    with pytest.raises(StudyError, match="nothing to audit"):
        draw_audit("MKI67", [_slide(tmp_path, "B", values, 0.5)], AuditSettings(10))


def test_a_sample_survives_its_file(slides: list[Labelled], tmp_path: Path) -> None:
    sample = draw_audit("MKI67", slides, AuditSettings(12, seed=2))
    path = tmp_path / "audits" / "MKI67" / "tiles.json"
    save_audit(path, sample)
    assert load_audit(path) == sample
    for old, new in (('"format": 1', '"format": 2'), ('"positive"', '"maybe"'), ("A000", "a b ")):
        path.write_text(path.read_text("utf8").replace(old, new), "utf8")
        with pytest.raises(StudyError, match="audit"):
            load_audit(path)
        save_audit(path, sample)
    with pytest.raises(StudyError, match="were not audited"):
        load_audit(tmp_path / "none" / "tiles.json")


@pytest.mark.parametrize("wrong", [{"tiles": 0}, {"seed": -1}, {"tile_um": 5}])
def test_settings_that_make_no_sample_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidValueError):
        AuditSettings(**wrong)
