"""A slide whose colours say what a network answers: numbered nuclei, however it is tiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from pathoai.geometry import Mpp, Region
from pathoai.inference.find_objects import objects_of
from pathoai.inference.kept_blocks import KeptBlocks
from pathoai.inference.object_planes import visible
from pathoai.inference.predict_part import predict_part
from pathoai.inference.predict_slide import predict_slide
from pathoai.inference.predictor import Predictor
from pathoai.models.bundle import INSTANCE_SEGMENTATION, ModelBundle, Normalisation
from pathoai.ontology import load_ontology
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.memory_reader import MemoryReader
from pathoai.store.label_image import LabelImage
from pathoai.store.objects import ObjectTable, read_objects, write_object_batches
from pathoai.store.shards import ShardWriter
from pathoai.store.slide_store import SlideStore
from pathoai.store.verify_store import find_damage
from pathoai.tiling.spec import TileSpec
from pathoai.vector.rasterise import rasterise
from tests.pathoai.inference.generated_outputs import discs, outputs_of, same_objects, whole

SLIDE_ID = "0123456789ABCDEF"
SHAPE = (2110, 2180)  # four shards that meet at 2048, 2048
ONTOLOGY = load_ontology("breast")
KEYS = ("background", *(c.key for c in ONTOLOGY.classes[1:3]))
VALUES = tuple(ONTOLOGY[key].index for key in KEYS[1:])


class _ReadsColours(torch.nn.Module):
    """Red says the class, green the map: nothing but the pixel itself counts."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        red, green = images[:, :1].round(), images[:, 1:2].round()
        logits = [40.0 * (red == 100 * channel) for channel in range(len(KEYS))]
        return torch.cat([*logits, torch.logit((green / 256).clamp(1 / 256, 255 / 256))], dim=1)


@dataclass(frozen=True)
class _Made:
    path: Path
    numbers: NDArray[np.uint32]
    outputs: NDArray[np.float32]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> _Made:
    rng = np.random.default_rng(1)
    seam = np.array([2048.0])
    along = np.arange(30, 2110, 21.0)
    across = rng.uniform(-14, 14, len(along))
    centres = np.concatenate(
        [
            np.stack([along, 2048 + across], 1),
            np.stack([2048 + across[1:], along[1:]], 1),
            [(2048.0, 2048.0)],
            rng.uniform(20, 2100, (150, 2)),
        ]
    )
    far = np.abs(centres[:, None] - seam).min(axis=2) > 0  # all but the one on the corner …
    centres = centres[far.any(axis=1) & (np.abs(centres - 2048).max(axis=1) > 30)]
    centres = np.concatenate([[(2048.0, 2048.0)], centres])  # … which is the first
    numbers = discs(2180, centres, rng.uniform(6, 11, len(centres)))[: SHAPE[0]]
    value = rng.integers(1, 3, len(centres))
    outputs = outputs_of(numbers, value)
    outputs[3] = np.clip(np.rint(outputs[3] * 256), 1, 255) / 256
    pixels = np.zeros((*SHAPE, 3), np.uint8)
    pixels[..., 0] = 100 * outputs[:3].argmax(axis=0)
    pixels[..., 1] = np.rint(outputs[3] * 256)
    path = tmp_path_factory.mktemp("coded") / f"{SLIDE_ID}.zarr"
    reader = MemoryReader(pixels, mpp=Mpp.square(0.5), slide_id=SLIDE_ID)
    settings = TilingSettings(
        TileSpec(size_px=64, mpp=0.5), 0.5, compression="blosc-zstd", tissue_method="whole"
    )
    tile_slide(SlideSource(lambda: reader), path, settings)
    return _Made(path, numbers, outputs)


def _predictor(name: str, size_px: int, overlap_px: int, batch_size: int) -> Predictor:
    bundle = ModelBundle(
        name,
        "unet",
        {},
        ONTOLOGY.key,
        ONTOLOGY.version,
        KEYS,
        TileSpec(size_px, 0.5, overlap_px=overlap_px),
        task=INSTANCE_SEGMENTATION,
        normalisation=Normalisation((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    )
    return Predictor(bundle, _ReadsColours(), ONTOLOGY, torch.device("cpu"), batch_size)


@pytest.fixture(scope="module")
def label(made: _Made) -> LabelImage:
    return predict_slide(SlideStore(made.path), _predictor("wide", 256, 64, 8))


def _table(label: LabelImage, path: Path) -> ObjectTable:
    count = write_object_batches(path, objects_of(label, classes=VALUES))
    table = read_objects(path)
    assert len(table) == count
    return table


def test_all_nuclei_are_there_as_if_the_slide_were_seen_at_once(
    made: _Made, label: LabelImage
) -> None:
    expected = whole(made.outputs)
    numbers = np.asarray(label.instances()[:])
    assert same_objects(numbers, expected)
    assert len(np.unique(numbers[2030:2066, 2030:2066])) > 1
    across = numbers[:, 2047:2049]
    assert ((across[:, 0] == across[:, 1]) & (across[:, 0] > 0)).sum() > 100


def test_the_table_says_what_the_planes_show(
    made: _Made, label: LabelImage, tmp_path: Path
) -> None:
    table, numbers = _table(label, tmp_path / "a"), np.asarray(label.instances()[:])
    areas = np.bincount(numbers.ravel())[1:]
    assert len(table) == numbers.max() == len(areas)
    np.testing.assert_array_equal(table.area_um2, (areas * 0.25).astype(np.float32))
    shapes = zip(table.geometry, range(1, len(table) + 1), strict=True)
    drawn = rasterise(shapes, label.grid(), fill=np.uint32(0))
    np.testing.assert_array_equal(drawn, numbers)
    assert {outline.geom_type for outline in table.geometry} == {"Polygon"}
    class_map, true = label.read_all(), made.outputs[:3].argmax(axis=0)
    for number, window in enumerate(ndimage.find_objects(numbers.astype(np.int32)), start=1):
        inside = numbers[window] == number
        votes = np.bincount(true[window][inside], minlength=3)[1:]
        assert table.class_index[number - 1] == VALUES[votes.argmax()]
        assert table.probability[number - 1] == pytest.approx(votes.max() / votes.sum(), abs=0.01)
        shown = set(class_map[window][inside].tolist()) - {0}
        assert shown == {int(table.class_index[number - 1])}
    assert not (class_map[numbers == 0]).any()
    assert find_damage(made.path) == []


@pytest.mark.parametrize(("size_px", "overlap_px", "batch_size"), [(128, 0, 3), (192, 90, 16)])
def test_tiles_and_batches_make_no_difference(
    made: _Made,
    label: LabelImage,
    tmp_path: Path,
    size_px: int,
    overlap_px: int,
    batch_size: int,
) -> None:
    other = predict_slide(
        SlideStore(made.path), _predictor(f"w{size_px}", size_px, overlap_px, batch_size)
    )
    np.testing.assert_array_equal(other.instances()[:], label.instances()[:])
    np.testing.assert_array_equal(other.read_all(), label.read_all())
    one, two = _table(label, tmp_path / "a"), _table(other, tmp_path / "b")
    for column in ("class_index", "probability", "area_um2"):
        np.testing.assert_array_equal(getattr(one, column), getattr(two, column))
    assert all(a.equals_exact(b) for a, b in zip(one.geometry, two.geometry, strict=True))


def test_a_part_shows_the_objects_that_the_slide_has_there(
    made: _Made, label: LabelImage, tmp_path: Path
) -> None:
    """About the corner where four shards meet."""
    table = _table(label, tmp_path / "a")
    part = predict_part(
        SlideStore(made.path), _predictor("wide", 256, 64, 8), Region(1780, 1860, 390, 240)
    )
    height, width = part.class_map.shape
    at = np.s_[part.y_px : part.y_px + height, part.x_px : part.x_px + width]
    np.testing.assert_array_equal(part.class_map, label.read_all()[at])
    left, top, right, bottom = shapely.bounds(table.geometry).T
    x, y, own = (left + right) / 2, (top + bottom) / 2, part.region
    inside = (own.x <= x) & (x < own.right) & (own.y <= y) & (y < own.bottom)
    found = {outline.wkb: row for row, outline in enumerate(part.objects.geometry)}
    expected = {table.geometry[row].wkb: row for row in np.flatnonzero(inside)}
    assert found.keys() == expected.keys()
    assert len(found) > 20
    order = [expected[outline] for outline in found]
    np.testing.assert_array_equal(part.objects.class_index, table.class_index[order])
    np.testing.assert_array_equal(part.objects.probability, table.probability[order])
    np.testing.assert_array_equal(part.objects.area_um2, table.area_um2[order])
    assert part.objects.source == table.source


class _KilledError(BaseException):
    """Nobody catches it to clean up."""


def _dying_after(writes: int, method: Callable[..., None]) -> Callable[..., None]:
    left = iter(range(writes))

    def write(*arguments: object) -> None:
        if next(left, None) is None:
            raise _KilledError
        method(*arguments)

    return write


def _tree(folder: Path) -> dict[Path, bytes]:
    return {f.relative_to(folder): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


@pytest.fixture
def fresh(made: _Made, tmp_path: Path) -> Callable[[str], SlideStore]:
    """Stores without any prediction."""

    def copy(name: str) -> SlideStore:
        path = tmp_path / name / made.path.name
        shutil.copytree(made.path, path, ignore=shutil.ignore_patterns("prediction.*"))
        return SlideStore(path)

    return copy


def test_killed_at_any_write_it_goes_on_to_the_same_bytes(
    fresh: Callable[[str], SlideStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = _predictor("killed", 256, 64, 8)
    once, often = fresh("once"), fresh("often")
    path = tmp_path / "once" / "a.parquet"
    write_object_batches(path, objects_of(predict_slide(once, predictor), classes=VALUES))
    kills = 0
    writers = [(ShardWriter, "write_chunks"), (KeptBlocks, "write")]
    while True:
        with monkeypatch.context() as patch:
            for kind, name in writers:
                patch.setattr(kind, name, _dying_after(3 + kills % 2, getattr(kind, name)))
            try:
                found = predict_slide(often, predictor)
                break
            except _KilledError:
                kills += 1
    assert kills > 5
    other = tmp_path / "often" / "a.parquet"
    write_object_batches(other, objects_of(found, classes=VALUES))
    assert _tree(path.parent) == _tree(other.parent)


class _Everything(torch.nn.Module):
    """All that is not glass is of the first class."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tissue = 40.0 * (images[:, :1].round() < 235)
        zero = torch.zeros_like(tissue)
        return torch.cat([zero + 20, tissue, zero, zero], dim=1)


class _Nothing(torch.nn.Module):
    """All is background."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        zero = torch.zeros_like(images[:, :1])
        return torch.cat([zero + 9, zero, zero, zero], dim=1)


@pytest.fixture
def two_shards(two_shard_store: Path, tmp_path: Path) -> SlideStore:
    return SlideStore(Path(shutil.copytree(two_shard_store, tmp_path / two_shard_store.name)))


def test_what_was_kept_and_then_damaged_is_made_again(
    two_shards: SlideStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = replace(_predictor("damaged", 256, 64, 8), network=_Everything())
    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "write", _dying_after(4, ShardWriter.write))
        with pytest.raises(_KilledError):
            predict_slide(two_shards, predictor)
    kept = sorted(tmp_path.rglob("*.objects/*/*"))
    assert [file.name for file in kept] == ["0.0", "0.1"]
    kept[0].write_bytes(kept[0].read_bytes()[:-1])
    label = predict_slide(two_shards, predictor)
    numbers = np.asarray(label.instances()[:])
    both = np.unique(numbers[:, 2047:2049])
    assert both.max() > 0
    assert same_objects(numbers, measure.label(numbers > 0, connectivity=1))
    assert not list(tmp_path.glob(".*.objects"))


def test_no_object_is_an_answer_too(two_shards: SlideStore, tmp_path: Path) -> None:
    predictor = replace(_predictor("blind", 256, 64, 8), network=_Nothing())
    label = predict_slide(two_shards, predictor)
    path = tmp_path / "none.parquet"
    assert write_object_batches(path, objects_of(label, classes=VALUES)) == 0
    table = read_objects(path)
    assert (len(table), table.source["label"]) == (0, "prediction/blind")


def test_an_object_that_is_nothing_but_rim_keeps_its_pixels() -> None:
    numbers = np.zeros((12, 12), np.uint32)
    numbers[2:6, 2:10], numbers[6, 2:10], numbers[7:11, 2:10] = 1, 3, 2
    shown = visible(numbers)
    assert shown[6, 2:10].all()
    assert set(np.unique(numbers[shown])) == {1, 2, 3}
    numbers[6, 2:10] = 0
    assert np.array_equal(visible(numbers), numbers > 0)
