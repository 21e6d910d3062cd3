from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pathoai.picture.chunk_cache import ChunkCache
from napari_pathoai.picture.label_levels import (
    DamageNotice,
    label_levels,
    probability_levels,
)
from napari_pathoai.picture.pyramid import (
    HeldReader,
    LazyLevel,
    MemoryLevel,
    SlideLevel,
    slide_levels,
    store_levels,
)
from pathoai.errors import InvalidValueError, StoreError
from pathoai.geometry import Grid, Mpp, Size
from pathoai.ontology import NOT_ASSESSED
from pathoai.slide.memory_reader import MemoryReader
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import MODEL, SLIDE, noise_store


class ArrayLevel(LazyLevel):
    """A level over an array, which counts what is read of it."""

    def __init__(
        self, pixels: NDArray[np.uint8], shape: tuple[int, ...], cache: ChunkCache
    ) -> None:
        super().__init__(pixels.shape[:2], shape, 77, cache)
        self._pixels = pixels
        self.reads: list[tuple[tuple[int, int], tuple[int, int]]] = []

    def _fetch(self, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.uint8]:
        self.reads.append((rows, columns))
        return self._pixels[slice(*rows), slice(*columns)]


PIXELS = np.random.default_rng(0).integers(0, 255, (700, 600), np.uint8)
PADDED = np.full((768, 640), 77, np.uint8)
PADDED[:700, :600] = PIXELS

keys = st.one_of(
    st.integers(-600, 599),
    st.builds(
        slice,
        st.none() | st.integers(-800, 800),
        st.none() | st.integers(-800, 800),
        st.none() | st.sampled_from([1, 2, 7, -1, -3]),
    ),
)


@settings(max_examples=60, deadline=None)
@given(keys, keys)
@example(0, slice(-21, None))  # all of the window is padding
def test_every_index_reads_what_numpy_reads(rows: int | slice, columns: int | slice) -> None:
    level = ArrayLevel(PIXELS, PADDED.shape, ChunkCache())
    assert np.array_equal(level[rows, columns], PADDED[rows, columns])


def test_ellipsis_and_short_indices_read_what_numpy_reads() -> None:
    level = ArrayLevel(PIXELS, PADDED.shape, ChunkCache())
    assert np.array_equal(level[...], PADDED)
    assert np.array_equal(level[5], PADDED[5])
    assert np.array_equal(level[..., 3:9], PADDED[..., 3:9])
    assert np.array_equal(np.asarray(level), PADDED)
    assert (level.ndim, level.size) == (2, PADDED.size)
    assert level.dtype == np.dtype(np.uint8)
    assert level.chunks == (256, 256)


def test_an_index_beyond_the_level_is_refused() -> None:
    level = ArrayLevel(PIXELS, PADDED.shape, ChunkCache())
    with pytest.raises(IndexError):
        level[768, 0]
    with pytest.raises(IndexError):
        level[0, 0, 0]


def test_chunks_are_read_once_and_only_the_missing_ones() -> None:
    level = ArrayLevel(PIXELS, PADDED.shape, ChunkCache())
    level[0:256, 0:512]
    level[10:20, 10:500]
    assert level.reads == [((0, 256), (0, 512))]
    level[0:512, 0:600]
    assert level.reads[1:] == [((0, 256), (512, 600)), ((256, 512), (0, 600))]


def test_the_cache_stays_within_its_limit() -> None:
    cache = ChunkCache(limit_bytes=3 * 256 * 256)
    level = ArrayLevel(PIXELS, PADDED.shape, cache)
    assert np.array_equal(level[...], PADDED)
    assert 0 < cache.held_bytes <= 3 * 256 * 256
    level.reads.clear()
    level[0:10, 0:10]
    assert len(level.reads) == 1, "the first chunk was the first to go"


def test_many_threads_read_the_same_pixels() -> None:
    level = ArrayLevel(PIXELS, PADDED.shape, ChunkCache(limit_bytes=2 * 256 * 256))
    windows = [(slice(y, y + 300), slice(x, x + 200)) for y in range(0, 400, 50) for x in (0, 300)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda window: level[window], windows * 4))
    assert all(np.array_equal(f, PADDED[w]) for f, w in zip(found, windows * 4, strict=True))


def test_a_read_that_would_fill_the_memory_is_refused() -> None:
    level = ArrayLevel(PIXELS, (100_000, 100_000), ChunkCache())
    with pytest.raises(InvalidValueError, match="zoom in"):
        np.asarray(level)


def test_store_levels_show_the_pixels_of_the_store(tmp_path: Path) -> None:
    store = noise_store(tmp_path / f"{SLIDE}.zarr")
    levels = store_levels(store)
    assert len(levels) == len(store.factors) > 1
    for index, level in enumerate(levels):
        height, width = store.array(index).shape[1:]
        whole = np.asarray(level)
        assert np.array_equal(whole[:height, :width], store.read(index, 0, 0, Size(width, height)))
        assert (whole[height:] == 255).all()
        assert (whole[:, width:] == 255).all()


def test_shapes_of_levels_have_the_ratio_of_their_pixels(study: Study) -> None:
    store = SlideStore(study.store_path(SLIDE))
    label = store.label("prediction/nuclei")
    for levels, factors in (
        (store_levels(store), store.factors),
        (label_levels(label), label.factors),
    ):
        shapes = np.array([level.shape[:2] for level in levels])
        assert np.array_equal(shapes[0] / shapes, np.array(factors)[:, None] / factors[0] * [1, 1])


def test_label_and_probability_levels_show_the_label(study: Study) -> None:
    label = SlideStore(study.store_path(SLIDE)).label("prediction/nuclei")
    for index, level in enumerate(label_levels(label)):
        height, width = label.array(index).shape
        assert np.array_equal(level[:height, :width], label.read_all(index))
        assert (np.asarray(level)[height:] == 255).all(), "not assessed beyond the slide"
    channel = probability_levels(label, 1)[0]
    height, width = label.array().shape
    assert np.array_equal(channel[:height, :width], label.probability()[1])
    assert (np.asarray(channel)[height:] == 0).all()


def test_a_raw_slide_gets_averaged_levels_until_an_overview_fits_a_screen() -> None:
    ramp = np.arange(5000, dtype=np.uint32) * 255 // 5000
    pixels = np.broadcast_to(ramp.astype(np.uint8)[None, :, None], (300, 5000, 3))
    levels = slide_levels(MemoryReader(np.ascontiguousarray(pixels), mpp=Mpp.square(0.25)))
    assert [level.shape for level in levels] == [(300, 5000, 3), (150, 2500, 3), (75, 1250, 3)]
    assert np.array_equal(levels[0][:, 100:200], pixels[:, 100:200])
    fine = pixels[0, :, 0].reshape(-1, 4).mean(axis=1)
    assert np.abs(levels[2][3, :, 0] - fine).max() <= 1


def test_a_level_of_a_slide_file_is_read_where_it_lies() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (400, 500, 3), np.uint8)
    reader = MemoryReader(pixels, mpp=Mpp.square(0.25))
    level = SlideLevel(HeldReader(reader), Grid(Size(500, 400), 1, 1), 0, cache=ChunkCache())
    assert np.array_equal(level[33:290, 255:400], pixels[33:290, 255:400])


def test_what_is_covered_is_as_if_it_were_not_there() -> None:
    pixels = np.random.default_rng(1).integers(1, 255, (300, 400, 4), np.uint8)
    level = MemoryLevel(pixels)
    assert level.cover([((20, 60), (350, 500)), ((-5, 3), (0, 10))])
    assert not level.cover([((20, 60), (350, 500)), ((-5, 3), (0, 10))]), "the same again"
    expected = pixels.copy()
    expected[20:60, 350:] = 0
    expected[:3, :10] = 0
    assert np.array_equal(level[:], expected)
    assert np.array_equal(level[50:70, 340:380], expected[50:70, 340:380])
    assert level.cover([])
    assert np.array_equal(level[:], pixels)


def test_a_damaged_label_shows_nothing_and_is_told_once(study: Study) -> None:
    store = SlideStore(study.store_path(SLIDE))
    label = store.label(f"prediction/{MODEL}")
    for plane in ("0/c/0/0", "probability/0/c/0/0/0"):
        shard = store.path / "labels" / f"prediction.{MODEL}" / plane
        shard.write_bytes(shard.read_bytes()[:100])
    said: list[str] = []

    class Notice(DamageNotice):
        def _show(self, error: StoreError) -> None:
            said.append(str(error))

    notice = Notice()
    finest, coarser, *_ = label_levels(label, notice)
    assert (finest[:] == NOT_ASSESSED).all()
    assert (coarser[:300, :300] != NOT_ASSESSED).any(), "what is whole is shown"
    assert (probability_levels(label, 1, notice)[0][:] == 0).all()
    (line,) = said
    assert f"{SLIDE} prediction/{MODEL}: the label is damaged" in line
    with pytest.raises(StoreError, match="damaged"):
        label.read_all()
