"""What every slide store must be: subclass `SlideStoreTests` in a test module of pytest.

::

    from pathoai.testing.slide_stores import ExpectedStore, SlideStoreTests

    class TestMyStores(SlideStoreTests):
        @pytest.fixture
        def store_path(self):
            return path_of_a_finished_store

        @pytest.fixture
        def expected(self):
            return ExpectedStore(slide_id="…", pixels=pixels, mpp=0.5)
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.errors import StoreError
from pathoai.geometry import Region, Size

if TYPE_CHECKING:
    from pathoai.store.slide_store import SlideStore

_WHITE = 255


@dataclass(frozen=True, eq=False)
class ExpectedStore:
    """What the store under test should hold.

    Attributes:
        slide_id: Coded id of its slide.
        pixels: The slide at the store's scale, `(height, width, 3)` uint8.
        mpp: Scale of the store, µm per pixel.
        tolerance: Mean absolute difference in grey levels allowed where there is tissue.
    """

    slide_id: str
    pixels: NDArray[np.uint8]
    mpp: float
    tolerance: float = 0.0


def _opened(path: Path) -> SlideStore:
    from pathoai.store.slide_store import SlideStore

    return SlideStore(path)


def _copied(store_path: Path, folder: Path) -> Path:
    return Path(shutil.copytree(store_path, folder / store_path.name))


def _shard_files(store_path: Path) -> list[Path]:
    """Files that hold pixels of the image, below the arrays of its levels."""
    levels = (p for p in store_path.iterdir() if p.name.isdigit())
    return sorted(f for level in levels for f in (level / "c").rglob("*") if f.is_file())


class SlideStoreTests:
    """Conformance tests of a finished store; override both fixtures. The store is only read."""

    @pytest.fixture
    def store_path(self) -> Path:
        """A finished store."""
        raise NotImplementedError("override the fixture `store_path`")

    @pytest.fixture
    def expected(self) -> ExpectedStore:
        """What it should hold."""
        raise NotImplementedError("override the fixture `expected`")

    def test_is_valid_ome_zarr(self, store_path: Path) -> None:
        """Image, list of labels and each label pass the independent validator."""
        models = pytest.importorskip("ome_zarr_models.v05")
        import zarr

        group = zarr.open_group(store_path, mode="r")
        models.Image.from_zarr(group)
        names = models.Labels.from_zarr(group["labels"]).attributes.ome.labels
        assert sorted(name.replace(".", "/", 1) for name in names) == sorted(
            _opened(store_path).labels
        )
        for name in names:
            models.ImageLabel.from_zarr(group[f"labels/{name}"])

    def test_says_which_slide_at_which_scale(
        self, store_path: Path, expected: ExpectedStore
    ) -> None:
        """Id, scale and size of the finest level."""
        store = _opened(store_path)
        assert store.slide_id == expected.slide_id
        assert store.mpp == expected.mpp
        assert store.array(0).shape == (3, *expected.pixels.shape[:2])

    def test_tissue_pixels_are_those_of_the_slide(
        self, store_path: Path, expected: ExpectedStore
    ) -> None:
        """Nothing is lost where there is tissue."""
        store = _opened(store_path)
        height, width = expected.pixels.shape[:2]
        found = store.read(0, 0, 0, Size(width, height))
        tissue = store.tissue.on_grid(store.grid(), slice(0, height), slice(0, width))
        difference = np.abs(found.astype(np.int16) - expected.pixels)[tissue]
        assert float(difference.mean()) <= expected.tolerance

    def test_levels_shrink_and_show_the_same(self, store_path: Path) -> None:
        """Each level is the finest one shrunk by its factor, with the mean colour of the one below.

        A scanner's own levels may lack the last pixel of a division.
        """
        store = _opened(store_path)
        full_height, full_width = store.array(0).shape[1:]
        for level, factor in enumerate(store.factors):
            height, width = store.array(level).shape[1:]
            assert height in (full_height // factor, -(-full_height // factor))
            assert width in (full_width // factor, -(-full_width // factor))
            if level:
                below = np.asarray(store.array(level - 1)).mean(axis=(1, 2))
                here = np.asarray(store.array(level)).mean(axis=(1, 2))
                assert np.allclose(here, below, atol=1.0)

    def test_what_was_not_written_reads_white(self, store_path: Path, tmp_path: Path) -> None:
        """A shard that does not exist is no error: there is no tissue."""
        copy = _copied(store_path, tmp_path)
        for file in _shard_files(copy):
            file.unlink()
        store = _opened(copy)
        for level in range(len(store.factors)):
            height, width = store.array(level).shape[1:]
            assert (store.read(level, 0, 0, Size(width, height)) == _WHITE).all()

    def test_outside_the_image_is_white(self, store_path: Path) -> None:
        """On each side; what lies inside stays in place."""
        store = _opened(store_path)
        height, width = store.array(0).shape[1:]
        whole = store.read(0, 0, 0, Size(width, height))
        around = store.read(0, -7, -5, Size(width + 20, height + 20))
        np.testing.assert_array_equal(around[5 : 5 + height, 7 : 7 + width], whole)
        around[5 : 5 + height, 7 : 7 + width] = _WHITE
        assert (around == _WHITE).all()
        assert (store.read(0, 2 * width, 0, Size(9, 9)) == _WHITE).all()
        assert (store.read(0, -99, -99, Size(9, 9)) == _WHITE).all()

    def test_every_shard_is_hashed_and_unaltered(self, store_path: Path) -> None:
        """No file of pixels goes unlisted."""
        store = _opened(store_path)
        store.verify()
        attributes = json.loads((store_path / "zarr.json").read_text("utf8"))["attributes"]
        listed = sorted(attributes["pathoai"]["shards"])
        assert listed == sorted(
            f.relative_to(store_path).as_posix() for f in _shard_files(store_path)
        )

    def test_one_altered_byte_is_seen(self, store_path: Path, tmp_path: Path) -> None:
        """In any shard; the error names it."""
        copy = _copied(store_path, tmp_path)
        for file in _shard_files(copy):
            original = file.read_bytes()
            middle = len(original) // 2
            changed = bytes([original[middle] ^ 1])
            file.write_bytes(original[:middle] + changed + original[middle + 1 :])
            with pytest.raises(StoreError, match="altered") as raised:
                _opened(copy).verify()
            assert file.relative_to(copy).as_posix() in str(raised.value)
            file.write_bytes(original)
        _opened(copy).verify()

    def test_a_missing_shard_is_seen(self, store_path: Path, tmp_path: Path) -> None:
        """White pixels are not taken for granted where the store had others."""
        copy = _copied(store_path, tmp_path)
        _shard_files(copy)[0].unlink()
        with pytest.raises(StoreError, match="missing"):
            _opened(copy).verify()

    def test_an_incomplete_store_is_refused(self, store_path: Path, tmp_path: Path) -> None:
        """With the remedy."""
        copy = _copied(store_path, tmp_path)
        metadata = json.loads((copy / "zarr.json").read_text("utf8"))
        metadata["attributes"]["pathoai"]["complete"] = False
        (copy / "zarr.json").write_text(json.dumps(metadata), "utf8")
        with pytest.raises(StoreError, match=r"not complete.*Remedy"):
            _opened(copy)

    def test_regions_of_the_slide_are_the_same_pixels(self, store_path: Path) -> None:
        """`read_region` in level-0 pixels and `read` in pixels of a level agree exactly."""
        store = _opened(store_path)
        size = Size(64, 48)
        for level in range(len(store.factors)):
            grid = store.grid(level)
            for x, y in ((0, 0), (13, 7), (grid.size_px.width - 20, grid.size_px.height - 20)):
                region = grid.region(x, y, size.width, size.height)
                np.testing.assert_array_equal(
                    store.read_region(region, size), store.read(level, x, y, size)
                )

    def test_a_region_at_another_scale_has_the_same_colour(self, store_path: Path) -> None:
        """Resampled between levels, and enlarged."""
        store = _opened(store_path)
        info = store.slide
        whole = Region(0, 0, info.size.width, info.size.height)
        height, width = store.array(0).shape[1:]
        mean = store.read(0, 0, 0, Size(width, height)).mean(axis=(0, 1))
        for side in (97, 300):
            size = Size(side, max(1, round(side * info.size.height / info.size.width)))
            found = store.read_region(whole, size)
            assert found.shape == (size.height, size.width, 3)
            assert np.allclose(found.mean(axis=(0, 1)), mean, atol=2.0)

    def test_labels_lie_on_the_image(self, store_path: Path) -> None:
        """As many levels, each a whole number of store pixels per pixel, over the same canvas."""
        store = _opened(store_path)
        assert "tissue" in store.labels
        for name in store.labels:
            label = store.label(name)
            assert len(label.factors) == len(store.factors)
            for level, factor in enumerate(label.factors):
                height, width = label.array(level).shape
                full_height, full_width = store.array(0).shape[1:]
                assert (height, width) == (-(-full_height // factor), -(-full_width // factor))
                grid = label.grid(level)
                assert grid.downsample_x == pytest.approx(store.grid().downsample_x * factor)
                assert grid.downsample_y == pytest.approx(store.grid().downsample_y * factor)

    def test_nothing_of_the_making_is_left(self, store_path: Path) -> None:
        """No journal and no half-written file, inside or beside the store; an empty lock may be."""
        inside = [f.name for f in store_path.rglob("*") if "partial" in f.name]
        beside = [
            f.name
            for f in store_path.parent.glob(f".{store_path.stem}*")
            if f.name != f".{store_path.name}.lock"  # empty, and kept: see store_lock
        ]
        assert not inside
        assert not beside
